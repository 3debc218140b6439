"""Structured text: brackets, expressions, key=value, CSV, numbers with units, and checks of well-known formats."""

import re

from serve_apps.code_generation.template import template


@template("判断括号是否匹配", "balanced brackets parentheses valid matching 括号 匹配 有效 合法")
def is_balanced(text: str) -> bool:
    """Check whether the brackets of a text are balanced."""
    pairs, opened = {")": "(", "]": "[", "}": "{"}, []
    for character in text:
        if character in "([{":
            opened.append(character)
        elif character in pairs and (not opened or opened.pop() != pairs[character]):
            return False
    return not opened


@template("括号的最大嵌套深度", "maximum nesting depth parentheses 括号 嵌套 深度")
def bracket_depth(text: str) -> int:
    """Find the maximum nesting depth of parentheses."""
    depth = deepest = 0
    for character in text:
        depth += {"(": 1, ")": -1}.get(character, 0)
        deepest = max(deepest, depth)
    return deepest


@template(
    "计算算术表达式", "evaluate arithmetic expression string calculator plus minus times 计算 表达式 四则运算 加减乘除"
)
def evaluate(expression: str) -> float:
    """Evaluate an arithmetic expression with + - * / and parentheses."""
    tokens = re.findall(r"\d+\.?\d*|[-+*/()]", expression)

    def operand() -> float:
        token = tokens.pop(0)
        if token == "-":
            return -operand()
        if token == "(":
            value = total()
            tokens.pop(0)
            return value
        return float(token) if "." in token else int(token)

    def product() -> float:
        value = operand()
        while tokens and tokens[0] in "*/":
            value = value * operand() if tokens.pop(0) == "*" else value / operand()
        return value

    def total() -> float:
        value = product()
        while tokens and tokens[0] in "+-":
            value = value + product() if tokens.pop(0) == "+" else value - product()
        return value

    return total()


@template("计算逆波兰表达式", "evaluate reverse polish notation postfix tokens 逆波兰 后缀 表达式")
def evaluate_postfix(tokens: list[str]) -> int:
    """Evaluate an expression in reverse Polish notation; division truncates toward zero."""
    stack: list[int] = []
    for token in tokens:
        if token not in ("+", "-", "*", "/"):
            stack.append(int(token))
            continue
        b, a = stack.pop(), stack.pop()
        stack.append({"+": a + b, "-": a - b, "*": a * b, "/": int(a / b) if b else 0}[token])
    return stack[0]


@template(
    "解析键值对文本",
    "parse key=value pairs string to dictionary separator query string 解析 键值对 文本 字典 查询 参数",
)
def parse_pairs(text: str, pair_separator: str = "&", key_separator: str = "=") -> dict[str, str]:
    """Parse a text of key=value pairs into a dictionary."""
    pairs = (part.split(key_separator, 1) for part in text.split(pair_separator) if key_separator in part)
    return {key.strip(): value.strip() for key, value in pairs}


@template("解析一行CSV，支持引号", "parse csv line quotes commas fields 解析 逗号 引号 字段 一行")
def parse_csv_line(line: str) -> list[str]:
    """Split a CSV line into fields; quoted fields may hold commas."""
    fields, quoted = [""], False
    for character in line:
        if character == '"':
            quoted = not quoted
        elif character == "," and not quoted:
            fields.append("")
        else:
            fields[-1] += character
    return fields


@template("解析CSV文本为记录", "parse csv text header rows to list of dictionaries records 解析 表头 记录 字典 列表")
def parse_csv(text: str) -> list[dict]:
    """Parse CSV text with a header line into records."""
    header, *lines = [line.split(",") for line in text.strip().splitlines()]
    return [dict(zip(header, line, strict=False)) for line in lines]


@template("解析配置文件", "parse ini config sections key value comments 解析 配置 节 注释")
def parse_config(text: str) -> dict:
    """Parse INI text ([section], key = value, # comments) into nested dictionaries."""
    sections: dict = {}
    current = sections
    for line in (line.strip() for line in text.splitlines()):
        if line.startswith("[") and line.endswith("]"):
            current = sections.setdefault(line[1:-1], {})
        elif "=" in line and not line.startswith(("#", ";")):
            key, value = line.split("=", 1)
            current[key.strip()] = value.strip()
    return sections


@template("判断IPv4地址是否有效", "valid ip address ipv4 IP 地址 有效 合法")
def is_valid_ipv4(text: str) -> bool:
    """Check whether a text is a valid IPv4 address."""
    parts = text.split(".")
    return len(parts) == 4 and all(p.isdigit() and str(int(p)) == p and int(p) <= 255 for p in parts)


@template("判断邮箱地址是否有效", "valid email address check 邮箱 邮件 地址 有效 合法")
def is_valid_email(text: str) -> bool:
    """Check whether a text is a valid email address."""
    return re.fullmatch(r"[\w.+-]+@[\w-]+(\.[\w-]+)+", text) is not None


@template("提取邮箱地址", "extract email addresses from text find 提取 邮箱 邮件 地址")
def extract_emails(text: str) -> list[str]:
    """Extract all email addresses from a text."""
    return re.findall(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+", text, flags=re.ASCII)


@template("判断大陆手机号是否有效", "valid chinese mobile phone number 手机号 有效 合法 校验 11位")
def is_valid_mobile(text: str) -> bool:
    """Check whether a text is a mobile phone number of mainland China."""
    return re.fullmatch(r"1[3-9]\d{9}", text) is not None


@template("校验身份证号", "chinese resident identity card number checksum 身份证 校验 校验码 18位")
def is_valid_identity_number(text: str) -> bool:
    """Check the last character of an 18-character Chinese identity number."""
    if not re.fullmatch(r"\d{17}[\dX]", text):
        return False
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    total = sum(int(digit) * weight for digit, weight in zip(text[:17], weights, strict=True))
    return "10X98765432"[total % 11] == text[17]


@template("校验银行卡号", "luhn checksum credit bank card number valid 银行卡 卡号 校验 信用卡")
def is_valid_card_number(text: str) -> bool:
    """Check a card number by the Luhn checksum."""
    numerals = [int(character) for character in reversed(text) if character.isdigit()]
    doubled = [number * 2 - 9 if number > 4 else number * 2 for number in numerals[1::2]]
    return bool(numerals) and (sum(numerals[::2]) + sum(doubled)) % 10 == 0


@template(
    "检查密码强度", "valid strong password length uppercase lowercase digit special 密码 强度 大写 小写 数字 长度"
)
def is_strong_password(text: str, length: int = 8) -> bool:
    """Check that a password is long enough and has upper case, lower case and a digit."""
    kinds = (any(c.isupper() for c in text), any(c.islower() for c in text), any(c.isdigit() for c in text))
    return len(text) >= length and all(kinds)


@template("比较版本号", "compare version numbers semantic 比较 版本号 大小")
def compare_versions(first: str, second: str) -> int:
    """Compare two version numbers: -1, 0 or 1."""
    a, b = ([int(part) for part in version.split(".")] for version in (first, second))
    width = max(len(a), len(b))
    a, b = a + [0] * (width - len(a)), b + [0] * (width - len(b))
    return (a > b) - (a < b)


@template("解析时长文本为秒", "parse duration text 1h30m15s hours minutes seconds to total seconds 解析 时长 秒")
def parse_duration(text: str) -> int:
    """Convert a duration such as 1h30m15s to seconds."""
    units = {"d": 86400, "h": 3600, "m": 60, "s": 1}
    return sum(int(amount) * units[unit] for amount, unit in re.findall(r"(\d+)\s*([dhms])", text.lower()))


@template("解析容量文本为字节", "parse size text kb mb gb to bytes convert 解析 容量 大小 字节")
def parse_size(text: str) -> int:
    """Convert a size such as 10KB or 1.5 MB to bytes, in steps of 1024."""
    amount = "".join(character for character in text if character.isdigit() or character == ".")
    unit = text.strip("0123456789. ").upper() or "B"
    return int(float(amount) * 1024 ** "BKMGT".index(unit[0]))


@template("字节数转可读容量", "format bytes human readable size kb mb gb 字节 可读 容量 格式化")
def format_size(size: int) -> str:
    """Write a number of bytes with one decimal and a unit, in steps of 1024."""
    amount = float(size)
    for unit in ("B", "KB", "MB", "GB"):
        if amount < 1024:
            return f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TB"


@template("填充文本模板", "fill template placeholders replace braces variables render 模板 占位符 替换 变量 填充")
def fill_template(text: str, values: dict) -> str:
    """Replace {name} placeholders of a text by values; unknown ones stay."""
    return re.sub(r"\{(\w+)\}", lambda match: str(values.get(match[1], match[0])), text)


@template("去掉HTML标签", "strip remove html tags 去掉 标签 网页")
def strip_tags(text: str) -> str:
    """Remove HTML tags from a text."""
    return re.sub(r"<[^>]+>", "", text)


@template("提取话题标签", "extract hashtags from text 提取 话题 标签 井号")
def extract_hashtags(text: str) -> list[str]:
    """Extract the hashtags of a text, without the number sign."""
    return re.findall(r"#(\w+)", text)


@template("提取引号里的内容", "extract values between quotation marks quoted text 提取 引号 内容")
def extract_quoted(text: str) -> list[str]:
    """Extract the texts between double quotation marks."""
    return re.findall(r'"([^"]*)"', text)


@template("提取括号里的内容", "extract text between brackets parentheses inside 提取 括号 内容")
def extract_bracketed(text: str) -> list[str]:
    """Extract the texts between parentheses."""
    return re.findall(r"\(([^()]*)\)", text)


@template("去掉括号及其内容", "remove parentheses area brackets and content 去掉 删除 括号 内容")
def remove_bracketed(text: str) -> str:
    """Remove parentheses and what is in them."""
    return re.sub(r"\s*\([^()]*\)", "", text)


@template("统计日志级别", "count log lines by level error warning info 统计 日志 级别 行数")
def count_log_levels(lines: list[str]) -> dict[str, int]:
    """Count log lines by the level that they name."""
    counts: dict[str, int] = {}
    for line in lines:
        found = re.search(r"\b(DEBUG|INFO|WARNING|WARN|ERROR|CRITICAL|FATAL)\b", line)
        if found:
            counts[found[1]] = counts.get(found[1], 0) + 1
    return counts


@template("千分位格式", "format number thousands separator comma 千分位 格式 金额 逗号")
def format_thousands(number: float) -> str:
    """Write a number with commas between thousands."""
    return f"{number:,}"


@template("简化文件路径", "simplify unix file path dots canonical 简化 路径 目录")
def simplify_path(path: str) -> str:
    """Simplify an absolute file path with . and .. parts."""
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            parts = parts[:-1]
        elif part not in ("", "."):
            parts.append(part)
    return "/" + "/".join(parts)


@template("展开重复编码", "decode string repeat brackets 3[a2[c]] nested 解码 重复 方括号 嵌套 展开")
def decode_repeats(text: str) -> str:
    """Expand k[text] into k repetitions of the text, nested ones too."""
    while "[" in text:
        text = re.sub(r"(\d+)\[([^\[\]]*)\]", lambda match: int(match[1]) * match[2], text)
    return text


@template("解析网址", "parse url scheme host path parts 解析 网址 协议 域名 路径")
def parse_url(url: str) -> dict[str, str]:
    """Split a URL into scheme, host and path."""
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return {"scheme": scheme, "host": host, "path": slash + path}
