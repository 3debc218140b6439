"""Patterns in text: palindromes, anagrams, runs of equal characters, ciphers."""

import itertools
import re

from serve_apps.code_generation.template import template


@template(
    "判断回文字符串", "palindrome string ignore case punctuation spaces reads same backward 回文 忽略 大小写 标点 空格"
)
def is_palindrome_text(text: str) -> bool:
    """Check whether a text is a palindrome, ignoring case, spaces and punctuation."""
    letters = [letter.lower() for letter in text if letter.isalnum()]
    return letters == letters[::-1]


@template("判断变位词", "anagram same letters rearranged 变位词 异位词 字母相同 顺序不同")
def are_anagrams(first: str, second: str) -> bool:
    """Check whether two words are anagrams."""
    return sorted(first.lower()) == sorted(second.lower())


@template("把变位词分组", "group anagrams words 变位词 异位词 分组")
def group_anagrams(words: list[str]) -> list[list[str]]:
    """Group words that are anagrams of each other, in order of appearance."""
    groups: dict[str, list[str]] = {}
    for word in words:
        groups.setdefault("".join(sorted(word)), []).append(word)
    return list(groups.values())


@template("判断全字母句", "pangram every letter of the alphabet 全字母句 所有字母 26个")
def is_pangram(text: str) -> bool:
    """Check whether a sentence contains every letter of the alphabet."""
    return set("abcdefghijklmnopqrstuvwxyz") <= set(text.lower())


@template("判断同构字符串", "isomorphic strings mapping 同构 映射")
def are_isomorphic(first: str, second: str) -> bool:
    """Check whether two strings are isomorphic."""
    pairs = set(zip(first, second, strict=False))
    return len(first) == len(second) and len(pairs) == len(set(first)) == len(set(second))


@template("判断是否互为旋转字符串", "rotation of each other string rotated 旋转 轮转 字符串")
def is_rotation(first: str, second: str) -> bool:
    """Check whether two strings are rotations of each other."""
    return len(first) == len(second) and second in first + first


@template("判断子序列", "is subsequence characters in order 子序列 顺序 依次")
def is_subsequence(part: str, whole: str) -> bool:
    """Check whether a string is a subsequence of another."""
    rest = iter(whole)
    return all(character in rest for character in part)


@template("凯撒密码", "caesar cipher shift letters encrypt encode rot 凯撒 密码 加密 移位 偏移")
def caesar_cipher(text: str, shift: int) -> str:
    """Shift each letter along the alphabet (Caesar cipher)."""
    shifted = ""
    for character in text:
        if character.isascii() and character.isalpha():
            start = ord("A") if character.isupper() else ord("a")
            shifted += chr((ord(character) - start + shift) % 26 + start)
        else:
            shifted += character
    return shifted


@template("游程编码", "run length encoding compress consecutive characters count 游程 压缩 编码 连续 字符")
def run_length_encode(text: str) -> str:
    """Compress runs of characters as character and count (run-length encoding)."""
    return "".join(f"{character}{len(list(run))}" for character, run in itertools.groupby(text))


@template(
    "压缩字符串，单个字符不写次数",
    "compress run length encoding omit one single characters count 压缩 次数为1 省略 单个 连续",
)
def compress(text: str) -> str:
    """Compress runs of characters and leave out the count of single ones."""
    runs = [(character, len(list(run))) for character, run in itertools.groupby(text)]
    return "".join(character if count == 1 else f"{character}{count}" for character, count in runs)


@template("解压游程编码", "run length decode decompress expand 游程 解压 解码 展开")
def run_length_decode(text: str) -> str:
    """Expand characters followed by their counts (run-length decoding)."""
    return "".join(character * int(count or 1) for character, count in re.findall(r"(\D)(\d*)", text))


@template(
    "最长无重复字符的子串长度", "longest substring without repeating characters length 最长 不重复 无重复 子串 长度"
)
def longest_unique_substring(text: str) -> int:
    """Find the length of the longest substring without repeating characters."""
    start, longest = 0, 0
    last: dict[str, int] = {}
    for place, character in enumerate(text):
        start = max(start, last.get(character, -1) + 1)
        last[character] = place
        longest = max(longest, place - start + 1)
    return longest


@template("最长回文子串", "longest palindromic substring 最长 回文 子串")
def longest_palindrome(text: str) -> str:
    """Find the longest palindromic substring, the first one of equal length."""
    parts = (text[i:j] for i in range(len(text)) for j in range(i + 1, len(text) + 1))
    return max((part for part in parts if part == part[::-1]), key=len, default="")


@template("连续相同字符的最大长度", "longest run of same character consecutive repeated 最长 连续 相同 字符 长度")
def longest_run(text: str) -> int:
    """Find the length of the longest run of one character."""
    return max((len(list(run)) for _, run in itertools.groupby(text)), default=0)


@template("Z字形变换", "zigzag conversion rows Z字形 锯齿 变换 行数")
def zigzag(text: str, rows: int) -> str:
    """Write a text in zigzag over some rows and read it row by row."""
    if rows == 1:
        return text
    lines = [""] * rows
    for place, character in enumerate(text):
        step = place % (2 * rows - 2)
        lines[min(step, 2 * rows - 2 - step)] += character
    return "".join(lines)
