"""Text: words, letters, case, and comparing strings."""

import itertools
import re

from serve_apps.code_generation.template import template


@template("反转单词顺序", "reverse order of words sentence 反转 颠倒 翻转 单词 顺序 句子")
def reverse_words(text: str) -> str:
    """Reverse the order of the words in a sentence."""
    return " ".join(text.split()[::-1])


@template("反转句子里的每个单词", "reverse each word letters keep order 反转 每个单词 顺序不变")
def reverse_each_word(text: str) -> str:
    """Reverse the letters of each word and keep the order of the words."""
    return " ".join(word[::-1] for word in text.split(" "))


@template("每个单词首字母大写", "capitalize each word first letter uppercase title 首字母 大写 每个单词")
def capitalize_words(text: str) -> str:
    """Capitalize the first letter of each word."""
    return " ".join(word[:1].upper() + word[1:] for word in text.split(" "))


@template("统计元音字母个数", "count vowels aeiou 元音 个数 数量")
def count_vowels(text: str) -> int:
    """Count the vowels in a text."""
    return sum(letter in "aeiou" for letter in text.lower())


@template("统计辅音字母个数", "count consonants 辅音 个数 数量")
def count_consonants(text: str) -> int:
    """Count the consonants in a text."""
    return sum(letter.isalpha() and letter not in "aeiou" for letter in text.lower())


@template("去掉元音字母", "remove vowels delete 元音 去掉 删除 移除")
def remove_vowels(text: str) -> str:
    """Remove the vowels from a text."""
    return "".join(letter for letter in text if letter.lower() not in "aeiou")


@template("统计字符出现次数", "character frequency count letters occurrences dictionary 字符 频率 次数 字典")
def character_frequency(text: str) -> dict[str, int]:
    """Count how often each character occurs."""
    counts: dict[str, int] = {}
    for character in text:
        counts[character] = counts.get(character, 0) + 1
    return counts


@template("统计单词出现次数", "word frequency count occurrences dictionary words text 单词 词频 次数 字典")
def word_frequency(text: str) -> dict[str, int]:
    """Count how often each word occurs, ignoring case."""
    counts: dict[str, int] = {}
    for word in re.findall(r"\w+", text.lower()):
        counts[word] = counts.get(word, 0) + 1
    return counts


@template("第一个不重复的字符", "first unique non-repeating character once 第一个 不重复 唯一 只出现一次 字符")
def first_unique_character(text: str) -> str | None:
    """Find the first character that occurs only once."""
    return next((character for character in text if text.count(character) == 1), None)


@template("第一个重复的字符", "first repeated duplicate character 第一个 重复 字符")
def first_repeated_character(text: str) -> str | None:
    """Find the first character that has occurred before."""
    seen = set()
    for character in text:
        if character in seen:
            return character
        seen.add(character)
    return None


@template("最长公共前缀", "longest common prefix strings 最长 公共 前缀")
def longest_common_prefix(words: list[str]) -> str:
    """Find the longest common prefix of a list of strings."""
    if not words:
        return ""
    prefix = min(words)
    while not max(words).startswith(prefix):
        prefix = prefix[:-1]
    return prefix


@template("合并多余空格", "remove multiple extra spaces collapse whitespace 多余 空格 合并 连续空格")
def collapse_spaces(text: str) -> str:
    """Replace multiple spaces by one and trim the ends."""
    return " ".join(text.split())


@template("驼峰转下划线", "camel case to snake case 驼峰 下划线 转换 命名")
def camel_to_snake(text: str) -> str:
    """Convert camel case to snake case."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", text).lower()


@template("下划线转驼峰", "snake case to camel case 下划线 驼峰 转换 命名")
def snake_to_camel(text: str) -> str:
    """Convert snake case to camel case, first word in lower case."""
    first, *others = text.split("_")
    return first + "".join(word.capitalize() for word in others)


@template("下划线转大驼峰", "snake case to pascal case upper camel 下划线 大驼峰 首字母大写 命名")
def snake_to_pascal(text: str) -> str:
    """Convert snake case to Pascal case, every word capitalized."""
    return "".join(word.capitalize() for word in text.split("_"))


@template("按大写字母拆分", "split at uppercase letters capital words 大写 拆分 分割")
def split_at_uppercase(text: str) -> list[str]:
    """Split a string before its uppercase letters."""
    return re.findall(r"[A-Z][^A-Z]*|^[^A-Z]+", text)


@template("统计子串出现次数，可以重叠", "count substring overlapping occurrences 子串 次数 重叠")
def count_overlapping(text: str, part: str) -> int:
    """Count how often a substring occurs, overlapping included."""
    return sum(text.startswith(part, start) for start in range(len(text) - len(part) + 1))


@template("找出所有数字串", "extract numbers integers from text digits 提取 数字 整数 文本")
def extract_numbers(text: str) -> list[int]:
    """Extract all whole numbers from a text."""
    return [int(number) for number in re.findall(r"\d+", text)]


@template(
    "遮盖中间的字符", "mask hide middle characters phone card number privacy 脱敏 遮盖 隐藏 掩码 星号 手机号 银行卡"
)
def mask_middle(text: str, first: int = 3, last: int = 4) -> str:
    """Mask the middle of a text with stars and keep its ends."""
    hidden = max(len(text) - first - last, 0)
    return text[:first] + "*" * hidden + text[len(text) - last :] if hidden else text


@template("去掉标点符号", "remove punctuation special characters keep letters digits spaces 去掉 标点 符号 特殊字符")
def remove_punctuation(text: str) -> str:
    """Remove punctuation and keep letters, digits and spaces."""
    return "".join(character for character in text if character.isalnum() or character.isspace())


@template("首字母缩写", "acronym initials first letters of words abbreviation 缩写 首字母")
def acronym(text: str) -> str:
    """Make an acronym of the first letters of the words."""
    return "".join(word[0].upper() for word in text.split())


@template(
    "统计字母、数字和其他字符的个数",
    "count letters digits spaces special characters types 统计 字母 数字 空格 其他 特殊 字符",
)
def count_character_kinds(text: str) -> tuple:
    """Count the letters, the digits and all other characters."""
    letters = sum(character.isalpha() for character in text)
    numerals = sum(character.isdigit() for character in text)
    return letters, numerals, len(text) - letters - numerals


@template("汉明距离", "hamming distance differing positions 汉明 不同 位置 字符")
def hamming_distance(first: str, second: str) -> int:
    """Count the positions at which two strings differ (Hamming distance)."""
    return sum(a != b for a, b in zip(first, second, strict=False))


@template("按长度切分字符串", "split string into chunks of length 切分 分段 固定长度 每n个")
def chunk_text(text: str, size: int) -> list[str]:
    """Split a string into chunks of a given length."""
    return [text[start : start + size] for start in range(0, len(text), size)]


@template("去掉重复的单词", "remove duplicate words keep first 去掉 重复 单词")
def remove_duplicate_words(text: str) -> str:
    """Remove duplicate words and keep the first of each."""
    return " ".join(dict.fromkeys(text.split()))


@template("去掉相邻的重复字符", "remove consecutive adjacent duplicate characters 相邻 连续 重复 字符 去掉 去重")
def remove_adjacent_duplicates(text: str) -> str:
    """Replace runs of the same character by one."""
    return "".join(character for character, _ in itertools.groupby(text))


@template("交替合并两个字符串", "merge strings alternately interleave letters 交替 合并 字符串")
def interleave_text(first: str, second: str) -> str:
    """Merge two strings by taking their letters alternately."""
    return "".join(a + b for a, b in itertools.zip_longest(first, second, fillvalue=""))
