"""Whole numbers: divisibility, primes, digits, bases, bits."""

import math

from serve_apps.code_generation.template import template


@template("判断是否为质数", "prime primality 素数")
def is_prime(number: int) -> bool:
    """Check whether a number is prime."""
    return number > 1 and all(number % divisor for divisor in range(2, math.isqrt(number) + 1))


@template("列出不超过某数的所有质数", "primes sieve eratosthenes up to limit 素数 筛法 以内 以下")
def primes_up_to(limit: int) -> list[int]:
    """List all primes up to a limit."""
    return [number for number in range(2, limit + 1) if is_prime(number)]


@template("列出前若干个质数", "first n primes 前n个 素数")
def first_primes(count: int) -> list[int]:
    """List the first n primes."""
    found: list[int] = []
    number = 2
    while len(found) < count:
        if all(number % prime for prime in found):
            found.append(number)
        number += 1
    return found


@template("大于某数的下一个质数", "next prime greater than 素数")
def next_prime(number: int) -> int:
    """Find the next prime after a number."""
    number += 1
    while not is_prime(number):
        number += 1
    return number


@template("分解质因数", "prime factors factorization decompose 质因数 素因数 分解")
def prime_factors(number: int) -> list[int]:
    """Factorize a number into its prime factors, with repetition."""
    factors, divisor = [], 2
    while divisor * divisor <= number:
        while number % divisor == 0:
            factors.append(divisor)
            number //= divisor
        divisor += 1
    return [*factors, number] if number > 1 else factors


@template("列出所有因数", "divisors factors 约数 因数 因子")
def divisors(number: int) -> list[int]:
    """List all divisors of a number."""
    return [divisor for divisor in range(1, number + 1) if number % divisor == 0]


@template("列出所有真因数", "proper divisors factors perfect abundant deficient 真约数 真因数 完全数 完美数 盈数")
def proper_divisors(number: int) -> list[int]:
    """List the proper divisors of a number, without itself."""
    return [divisor for divisor in range(1, number // 2 + 1) if number % divisor == 0]


@template("判断完全数", "perfect number sum of proper divisors 完美数 真因数之和")
def is_perfect_number(number: int) -> bool:
    """Check whether a number is perfect: the sum of its proper divisors."""
    return number > 1 and sum(proper_divisors(number)) == number


@template("求最大公约数", "gcd greatest common divisor 公约数 公因数 辗转相除 欧几里得")
def greatest_common_divisor(a: int, b: int) -> int:
    """Find the greatest common divisor (gcd) of two integers."""
    while b:
        a, b = b, a % b
    return abs(a)


@template("求最小公倍数", "lcm least common multiple 公倍数")
def least_common_multiple(a: int, b: int) -> int:
    """Find the least common multiple (lcm) of two integers."""
    return math.lcm(a, b)


@template("求一组数的最大公约数", "gcd list greatest common divisor of all array 公约数 列表")
def gcd_of_list(numbers: list[int]) -> int:
    """Find the greatest common divisor (gcd) of a list of numbers."""
    return math.gcd(*numbers)


@template("求一组数的最小公倍数", "lcm list least common multiple smallest multiple of all 公倍数 列表")
def lcm_of_list(numbers: list[int]) -> int:
    """Find the least common multiple (lcm) of a list of numbers."""
    return math.lcm(*numbers)


@template("求阶乘", "factorial 阶乘")
def factorial(number: int) -> int:
    """Calculate the factorial of a number."""
    result = 1
    for factor in range(2, number + 1):
        result *= factor
    return result


@template("取出各位数字", "digits list split number 各位 数位 数字")
def digits(number: int) -> list[int]:
    """List the decimal digits of a number."""
    return [int(digit) for digit in str(abs(number))]


@template("求各位数字之和", "sum of digits digit sum 各位 数位 数字 之和")
def digit_sum(number: int) -> int:
    """Calculate the sum of the digits of a number."""
    return sum(int(digit) for digit in str(abs(number)))


@template("求各位数字之积", "product of digits multiply 各位 数位 乘积")
def digit_product(number: int) -> int:
    """Calculate the product of the digits of a number."""
    return math.prod(int(digit) for digit in str(abs(number)))


@template("求数字根", "digital root repeatedly add digits until single digit 各位相加 一位数 反复")
def digital_root(number: int) -> int:
    """Add up the digits of a number repeatedly until one digit is left (digital root)."""
    while number > 9:
        number = sum(int(digit) for digit in str(number))
    return number


@template("反转整数", "reverse number integer digits 反转 颠倒 翻转 整数 数字")
def reverse_number(number: int) -> int:
    """Reverse the digits of an integer and keep its sign."""
    reversed_number = int(str(abs(number))[::-1])
    return -reversed_number if number < 0 else reversed_number


@template("判断回文数", "palindrome number integer 回文 整数")
def is_palindrome_number(number: int) -> bool:
    """Check whether an integer is a palindrome."""
    return str(number) == str(number)[::-1]


@template("判断水仙花数", "armstrong narcissistic number power of digits 自幂数 阿姆斯特朗数")
def is_armstrong(number: int) -> bool:
    """Check whether a number is an Armstrong (narcissistic) number."""
    text = str(number)
    return number == sum(int(digit) ** len(text) for digit in text)


@template("判断快乐数", "happy number squares of digits 快乐数 平方和")
def is_happy_number(number: int) -> bool:
    """Check whether a number is happy: summing the squares of its digits ends at 1."""
    seen = set()
    while number != 1 and number not in seen:
        seen.add(number)
        number = sum(int(digit) ** 2 for digit in str(number))
    return number == 1


@template("判断完全平方数", "perfect square 平方数")
def is_perfect_square(number: int) -> bool:
    """Check whether a number is a perfect square."""
    return number >= 0 and math.isqrt(number) ** 2 == number


@template("判断是否为某数的幂", "power of two three base 幂 次方 2的幂")
def is_power_of(number: int, base: int = 2) -> bool:
    """Check whether a number is a power of a base."""
    while number > 1 and number % base == 0:
        number //= base
    return number == 1


@template("转换为其他进制", "convert base binary octal decimal hexadecimal radix 进制 二进制 八进制 十六进制")
def to_base(number: int, base: int = 2) -> str:
    """Convert an integer to its digits in another base."""
    symbols, text, rest = "0123456789abcdefghijklmnopqrstuvwxyz", "", abs(number)
    while rest:
        rest, digit = divmod(rest, base)
        text = symbols[digit] + text
    return ("-" if number < 0 else "") + (text or "0")


@template("把其他进制转换为十进制", "convert base binary octal hexadecimal to decimal integer 进制 二进制 十进制")
def from_base(text: str, base: int = 2) -> int:
    """Convert digits in another base to a decimal integer."""
    return int(text, base)


@template("统计二进制中一的个数", "count set bits ones binary popcount hamming weight 二进制 1的个数 置位")
def count_set_bits(number: int) -> int:
    """Count the set bits (ones) in the binary form of a number."""
    return bin(number).count("1")


@template("统计从1到n所有数的二进制中一的个数", "count total set bits from 1 to n ones binary 二进制 1的个数")
def count_set_bits_up_to(limit: int) -> int:
    """Count the total set bits of all numbers from 1 to n."""
    return sum(bin(number).count("1") for number in range(limit + 1))


@template("整数转罗马数字", "integer to roman numeral 罗马数字")
def to_roman(number: int) -> str:
    """Convert an integer to a Roman numeral."""
    values = (1000, 900, 500, 400, 100, 90, 50, 40, 10, 9, 5, 4, 1)
    symbols = ("M", "CM", "D", "CD", "C", "XC", "L", "XL", "X", "IX", "V", "IV", "I")
    text = ""
    for value, symbol in zip(values, symbols, strict=True):
        text += symbol * (number // value)
        number %= value
    return text


@template("罗马数字转整数", "roman numeral to integer 罗马数字")
def from_roman(text: str) -> int:
    """Convert a Roman numeral to an integer."""
    values = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}
    total = 0
    for symbol, following in zip(text, [*text[1:], None], strict=True):
        smaller = following is not None and values[symbol] < values[following]
        total += -values[symbol] if smaller else values[symbol]
    return total


@template("考拉兹猜想步数", "collatz steps sequence 3n+1 考拉兹 冰雹 角谷 步数")
def collatz_steps(number: int) -> int:
    """Count the steps of the Collatz sequence until 1."""
    steps = 0
    while number != 1:
        number = number // 2 if number % 2 == 0 else 3 * number + 1
        steps += 1
    return steps


@template("考拉兹数列", "collatz sequence 3n+1 hailstone 考拉兹 冰雹 角谷 序列")
def collatz_sequence(number: int) -> list[int]:
    """List the Collatz sequence down to 1."""
    sequence = [number]
    while number != 1:
        number = number // 2 if number % 2 == 0 else 3 * number + 1
        sequence.append(number)
    return sequence


@template("报数游戏", "fizzbuzz fizz buzz multiples 3 5 报数")
def fizz_buzz(limit: int) -> list[str]:
    """Say the numbers from 1 to n as FizzBuzz."""
    words = []
    for number in range(1, limit + 1):
        word = ("Fizz" if number % 3 == 0 else "") + ("Buzz" if number % 5 == 0 else "")
        words.append(word or str(number))
    return words


@template("把数值限制在范围内", "clamp clip limit bound between minimum maximum 限制 截断 范围 上限 下限")
def clamp(value: float, low: float, high: float) -> float:
    """Clamp a value between a minimum and a maximum."""
    return max(low, min(high, value))


@template("求幂并取模", "modular exponentiation power modulo 快速幂 取模")
def power_modulo(base: int, exponent: int, modulus: int) -> int:
    """Calculate a power modulo a number."""
    return pow(base, exponent, modulus)


@template("数字转中文读法", "number in chinese numerals read 中文数字 汉字 读法 大写")
def to_chinese_numeral(number: int) -> str:
    """Write a whole number below ten thousand in Chinese numerals."""
    numerals, units, text = "零一二三四五六七八九", ("", "十", "百", "千"), ""
    for place, digit in enumerate(reversed(str(number))):
        text = numerals[int(digit)] + (units[place] if digit != "0" else "") + text
    while "零零" in text:
        text = text.replace("零零", "零")
    text = text.rstrip("零") or "零"
    return text[1:] if text.startswith("一十") else text
