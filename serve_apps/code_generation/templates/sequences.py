"""Sequences and counting: Fibonacci and kin, combinations, permutations, recursion on nested data."""

import itertools
import math

from serve_apps.code_generation.template import template


@template("第n个斐波那契数", "fibonacci nth recursion 斐波那契 第n项 兔子")
def fibonacci(n: int) -> int:
    """Find the nth Fibonacci number, counting from fibonacci(0) = 0."""
    a, b = 0, 1
    for _ in range(n):
        a, b = b, a + b
    return a


@template("前n个斐波那契数", "fibonacci sequence first n list series 斐波那契 数列 前n项")
def fibonacci_sequence(count: int) -> list[int]:
    """List the first n Fibonacci numbers, beginning with 0."""
    numbers = [0, 1]
    while len(numbers) < count:
        numbers.append(numbers[-1] + numbers[-2])
    return numbers[:count]


@template("不超过某数的斐波那契数", "fibonacci numbers up to limit 斐波那契 数列 以内 不超过")
def fibonacci_up_to(limit: int) -> list[int]:
    """List the Fibonacci numbers up to a limit."""
    numbers, a, b = [], 0, 1
    while a <= limit:
        numbers.append(a)
        a, b = b, a + b
    return numbers


@template("第n个泰波那契数", "tribonacci nth three 泰波那契 三个 前三项")
def tribonacci(n: int) -> int:
    """Find the nth Tribonacci number, counting from 0, 1, 1."""
    a, b, c = 0, 1, 1
    for _ in range(n):
        a, b, c = b, c, a + b + c
    return a


@template("线性递推数列的第n项", "linear recurrence sequence nth term lucas pell jacobsthal 递推 数列 第n项 前两项")
def linear_recurrence(n: int, first: int, second: int, times_last: int = 1, times_before: int = 1) -> int:
    """Find the nth term of a recurrence from its first two terms: times_last * last + times_before * before."""
    for _ in range(n):
        first, second = second, times_last * second + times_before * first
    return first


@template("等差数列求和", "arithmetic progression sum series 等差数列 求和 公差 首项")
def arithmetic_series_sum(first: float, count: int, step: float) -> float:
    """Calculate the sum of an arithmetic progression."""
    return count * (2 * first + (count - 1) * step) / 2


@template("等比数列求和", "geometric progression sum series 等比数列 求和 公比 首项")
def geometric_series_sum(first: float, count: int, ratio: float) -> float:
    """Calculate the sum of a geometric progression."""
    return sum(first * ratio**power for power in range(count))


@template("组合数", "binomial coefficient combinations count choose ncr 组合数 选取 取法")
def binomial(n: int, k: int) -> int:
    """Calculate the binomial coefficient: ways to choose k of n."""
    return math.comb(n, k)


@template("排列数", "permutations count arrangements npr 排列数 排法")
def permutation_count(n: int, k: int) -> int:
    """Count the arrangements (permutations) of k out of n."""
    return math.perm(n, k)


@template("卡特兰数", "catalan number 卡特兰")
def catalan(n: int) -> int:
    """Find the nth Catalan number."""
    return math.comb(2 * n, n) // (n + 1)


@template("贝尔数", "bell number partitions of a set 贝尔数")
def bell_number(n: int) -> int:
    """Find the nth Bell number."""
    row = [1]
    for _ in range(n):
        following = [row[-1]]
        for value in row:
            following.append(following[-1] + value)
        row = following
    return row[0]


@template(
    "第n个多边形数",
    "polygonal number triangular square pentagonal hexagonal octagonal nonagonal decagonal 多边形数 三角数",
)
def polygonal_number(n: int, sides: int = 3) -> int:
    """Find the nth polygonal number (triangular, pentagonal, hexagonal, octagonal, ...)."""
    return ((sides - 2) * n * n - (sides - 4) * n) // 2


@template("杨辉三角", "pascal triangle rows 杨辉三角 帕斯卡三角形 前n行")
def pascal_triangle(rows: int) -> list[list[int]]:
    """List the first rows of Pascal's triangle."""
    triangle = [[1]]
    while len(triangle) < rows:
        last = triangle[-1]
        triangle.append([1, *(a + b for a, b in itertools.pairwise(last)), 1])
    return triangle[:rows]


@template("杨辉三角的某一行", "pascal triangle row 杨辉三角 帕斯卡三角形 第n行")
def pascal_row(row: int) -> list[int]:
    """List one row of Pascal's triangle, counting from 0."""
    return [math.comb(row, place) for place in range(row + 1)]


@template("汉诺塔的最少步数", "tower of hanoi moves disks 汉诺塔 步数 盘子")
def hanoi_moves(disks: int) -> int:
    """Count the moves of the Tower of Hanoi."""
    return 2**disks - 1


@template("汉诺塔的移动过程", "tower of hanoi list of moves pegs 汉诺塔 移动 柱子 过程 步骤")
def hanoi(disks: int, source: str = "A", spare: str = "B", target: str = "C") -> list[tuple]:
    """List the moves (from, to) of the Tower of Hanoi."""
    if disks == 0:
        return []
    before = hanoi(disks - 1, source, target, spare)
    return [*before, (source, target), *hanoi(disks - 1, spare, source, target)]


@template("全排列", "permutations all arrangements orders 全排列 所有排列")
def permutations(items: list) -> list[list]:
    """List all permutations of a list, in order of position."""
    return [list(order) for order in itertools.permutations(items)]


@template("字符串的全排列", "permutations of string all arrangements letters sorted 字符串 全排列 排列")
def string_permutations(text: str) -> list[str]:
    """List all different permutations of a string, sorted."""
    return sorted({"".join(order) for order in itertools.permutations(text)})


@template("从列表中取k个的所有组合", "combinations choose k elements size 组合 取出 k个 所有组合")
def combinations(items: list, size: int) -> list[list]:
    """List all combinations of k elements."""
    return [list(chosen) for chosen in itertools.combinations(items, size)]


@template("所有子集", "subsets power set all sublists 子集 幂集")
def subsets(items: list) -> list[list]:
    """List all subsets (the power set), by size."""
    return [list(chosen) for size in range(len(items) + 1) for chosen in itertools.combinations(items, size)]


@template("所有连续子数组", "contiguous subarrays all sublists 连续 子数组 子列表")
def contiguous_sublists(items: list) -> list[list]:
    """List all contiguous sublists (subarrays)."""
    return [items[start:end] for start in range(len(items)) for end in range(start + 1, len(items) + 1)]


@template("笛卡尔积", "cartesian product all pairs two lists combinations 笛卡尔积 两两组合")
def cartesian_product(first: list, second: list) -> list[tuple]:
    """List the Cartesian product of two lists."""
    return [(a, b) for a in first for b in second]


@template("生成所有合法括号", "generate valid parentheses pairs brackets 生成 括号 合法 组合")
def generate_parentheses(pairs: int) -> list[str]:
    """Generate all valid combinations of n pairs of parentheses."""
    found: list[str] = []

    def extend(text: str, opened: int, closed: int) -> None:
        if closed == pairs:
            found.append(text)
        if opened < pairs:
            extend(text + "(", opened + 1, closed)
        if closed < opened:
            extend(text + ")", opened, closed + 1)

    extend("", 0, 0)
    return found


@template("格雷码", "gray code bits sequence 格雷码 编码")
def gray_code(bits: int) -> list[str]:
    """List the Gray code of n bits as strings."""
    return [format(number ^ (number >> 1), f"0{bits}b") for number in range(2**bits)]


@template("约瑟夫环", "josephus problem last survivor circle 约瑟夫 围成一圈 报数 最后 剩下")
def josephus(people: int, step: int) -> int:
    """Find the survivor (counting from 1) of the Josephus circle."""
    survivor = 0
    for size in range(2, people + 1):
        survivor = (survivor + step) % size
    return survivor + 1


@template("外观数列", "look and say sequence count 外观数列 报数 描述")
def look_and_say(n: int) -> str:
    """Find the nth term of the look-and-say sequence, beginning with 1."""
    term = "1"
    for _ in range(n - 1):
        term = "".join(f"{len(list(run))}{digit}" for digit, run in itertools.groupby(term))
    return term


@template("展平嵌套列表", "flatten nested list deep recursive 展平 扁平 嵌套 多层 递归 拉平")
def flatten(items: list) -> list:
    """Flatten a nested list of any depth."""
    flat = []
    for item in items:
        flat.extend(flatten(list(item)) if isinstance(item, list | tuple) else [item])
    return flat


@template("嵌套列表的深度", "depth of nested list levels recursive 嵌套 深度 层数 递归")
def nested_depth(items: list) -> int:
    """Find the depth of a nested list."""
    return 1 + max((nested_depth(list(item)) for item in items if isinstance(item, list | tuple)), default=0)


@template("嵌套列表求和", "sum of nested list recursive all numbers 嵌套 求和 递归 多层")
def nested_sum(items: list) -> float:
    """Calculate the sum of all numbers in a nested list."""
    total: float = 0
    for item in items:
        total += nested_sum(list(item)) if isinstance(item, list | tuple) else item
    return total


@template("阿克曼函数", "ackermann function recursion 阿克曼 递归")
def ackermann(m: int, n: int) -> int:
    """Calculate the Ackermann function."""
    if m == 0:
        return n + 1
    return ackermann(m - 1, 1 if n == 0 else ackermann(m, n - 1))
