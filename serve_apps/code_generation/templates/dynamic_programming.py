"""Dynamic programming: subsequences, edit distance, knapsacks, coins, paths."""

import itertools

from serve_apps.code_generation.template import template


@template("最长公共子序列长度", "longest common subsequence length lcs 最长 公共 子序列 长度")
def common_subsequence_length(first: str, second: str) -> int:
    """Find the length of the longest common subsequence."""
    row = [0] * (len(second) + 1)
    for a in first:
        above = row
        row = [0]
        for place, b in enumerate(second):
            row.append(above[place] + 1 if a == b else max(row[-1], above[place + 1]))
    return row[-1]


@template("最长公共子序列", "longest common subsequence string lcs itself 最长 公共 子序列")
def common_subsequence(first: str, second: str) -> str:
    """Find the longest common subsequence of two strings."""
    row = [""] * (len(second) + 1)
    for a in first:
        above = row
        row = [""]
        for place, b in enumerate(second):
            row.append(above[place] + a if a == b else max(row[-1], above[place + 1], key=len))
    return row[-1]


@template("最长公共子串", "longest common substring contiguous 最长 公共 子串 连续")
def common_substring(first: str, second: str) -> str:
    """Find the longest common (contiguous) substring of two strings."""
    parts = (first[i:j] for i in range(len(first)) for j in range(i + 1, len(first) + 1))
    return max((part for part in parts if part in second), key=len, default="")


@template("编辑距离", "edit distance levenshtein insert delete replace operations 编辑距离 插入 删除 替换 最少 操作")
def edit_distance(first: str, second: str) -> int:
    """Find the edit (Levenshtein) distance between two strings."""
    row = list(range(len(second) + 1))
    for deleted, a in enumerate(first, start=1):
        above, row = row, [deleted]
        for place, b in enumerate(second):
            row.append(min(row[-1] + 1, above[place + 1] + 1, above[place] + (a != b)))
    return row[-1]


@template("最长递增子序列长度", "longest increasing subsequence length lis 最长 递增 上升 子序列 长度")
def increasing_subsequence_length(numbers: list[float]) -> int:
    """Find the length of the longest increasing subsequence."""
    lengths: list[int] = []
    for place, number in enumerate(numbers):
        lengths.append(1 + max((lengths[i] for i in range(place) if numbers[i] < number), default=0))
    return max(lengths, default=0)


@template("递增子序列的最大和", "maximum sum increasing subsequence 最大 和 递增 子序列")
def increasing_subsequence_sum(numbers: list[float]) -> float:
    """Find the largest sum of an increasing subsequence."""
    sums: list[float] = []
    for place, number in enumerate(numbers):
        sums.append(number + max((sums[i] for i in range(place) if numbers[i] < number), default=0))
    return max(sums, default=0)


@template("最长回文子序列长度", "longest palindromic subsequence length 最长 回文 子序列 长度")
def palindromic_subsequence_length(text: str) -> int:
    """Find the length of the longest palindromic subsequence."""
    row = [0] * (len(text) + 1)
    for a in text:
        above, row = row, [0]
        for place, b in enumerate(reversed(text)):
            row.append(above[place] + 1 if a == b else max(row[-1], above[place + 1]))
    return row[-1]


@template("零一背包", "knapsack 0/1 maximum value weights capacity 背包 容量 重量 价值 最大")
def knapsack(weights: list[int], values: list[int], capacity: int) -> int:
    """Find the largest value that fits a knapsack, each item at most once."""
    best = [0] * (capacity + 1)
    for weight, value in zip(weights, values, strict=True):
        for room in range(capacity, weight - 1, -1):
            best[room] = max(best[room], best[room - weight] + value)
    return best[capacity]


@template("最少硬币数", "coin change minimum fewest coins amount 最少 硬币 零钱 凑成 金额")
def fewest_coins(coins: list[int], amount: int) -> int:
    """Find the fewest coins that make an amount, -1 if none do."""
    fewest = [0] + [amount + 1] * amount
    for total in range(1, amount + 1):
        fewest[total] = min((fewest[total - coin] + 1 for coin in coins if coin <= total), default=amount + 1)
    return fewest[amount] if fewest[amount] <= amount else -1


@template("凑零钱的方法数", "coin change count number of ways combinations amount 零钱 硬币 方法数 多少种 组合数 凑成")
def coin_ways(coins: list[int], amount: int) -> int:
    """Count the ways to make an amount of coins, in any order."""
    ways = [1] + [0] * amount
    for coin in coins:
        for total in range(coin, amount + 1):
            ways[total] += ways[total - coin]
    return ways[amount]


@template("爬楼梯的方法数", "climb stairs ways one or two steps tiling domino 爬楼梯 台阶 方法 一级 两级 跳台阶")
def climb_stairs(steps: int, stride: int = 2) -> int:
    """Count the ways to climb stairs with one or two (at most stride) steps at a time."""
    ways = [1]
    for step in range(1, steps + 1):
        ways.append(sum(ways[max(step - stride, 0) : step]))
    return ways[steps]


@template(
    "最小路径和", "minimum path sum cost grid matrix top left to bottom right 最小 路径 和 网格 矩阵 左上角 右下角"
)
def minimum_path_sum(grid: list[list[int]]) -> int:
    """Find the smallest path sum from the top left to the bottom right, moving right or down."""
    row = list(itertools.accumulate(grid[0]))
    for line in grid[1:]:
        row[0] += line[0]
        for place in range(1, len(line)):
            row[place] = line[place] + min(row[place], row[place - 1])
    return row[-1]


@template("三角形最小路径和", "minimum path sum triangle top to bottom 三角形 最小 路径 和")
def triangle_path_sum(triangle: list[list[int]]) -> int:
    """Find the smallest path sum from the top to the bottom of a triangle."""
    sums = list(triangle[-1])
    for row in reversed(triangle[:-1]):
        sums = [value + min(sums[place], sums[place + 1]) for place, value in enumerate(row)]
    return sums[0]


@template("网格路径数", "unique paths grid count right down 不同 路径 条数 网格 机器人 向右 向下")
def unique_paths(rows: int, columns: int) -> int:
    """Count the paths through a grid, moving right or down."""
    row = [1] * columns
    for _ in range(rows - 1):
        row = list(itertools.accumulate(row))
    return row[-1]


@template("有障碍的网格路径数", "unique paths obstacles grid count 路径 条数 障碍 网格")
def paths_with_obstacles(grid: list[list[int]]) -> int:
    """Count the paths through a grid where 1 is an obstacle, moving right or down."""
    ways = [1] + [0] * (len(grid[0]) - 1)
    for row in grid:
        for place, blocked in enumerate(row):
            ways[place] = 0 if blocked else ways[place] + (ways[place - 1] if place else 0)
    return ways[-1]


@template("不相邻元素的最大和", "maximum sum no adjacent elements house robber 不相邻 最大 和 打家劫舍")
def max_sum_not_adjacent(numbers: list[float]) -> float:
    """Find the largest sum of elements of which no two are adjacent."""
    taken: float = 0
    skipped: float = 0
    for number in numbers:
        taken, skipped = skipped + number, max(skipped, taken)
    return max(taken, skipped)


@template("子集和", "subset sum exists target 子集 和 目标 存在 能否")
def has_subset_sum(numbers: list[int], target: int) -> bool:
    """Check whether some of the numbers add up to a target."""
    sums = {0}
    for number in numbers:
        sums |= {total + number for total in sums}
    return target in sums


@template("能否分成和相等的两部分", "partition equal subset sum two halves 分割 等和 子集 两部分 相等")
def can_partition(numbers: list[int]) -> bool:
    """Check whether numbers can be split into two parts of equal sum."""
    sums = {0}
    for number in numbers:
        sums |= {total + number for total in sums}
    return sum(numbers) % 2 == 0 and sum(numbers) // 2 in sums


@template("单词拆分", "word break segment dictionary 单词 拆分 词典 切分")
def can_segment(text: str, words: list[str]) -> bool:
    """Check whether a text can be segmented into words of a dictionary."""
    reachable = [True]
    for end in range(1, len(text) + 1):
        reachable.append(any(reachable[end - len(w)] for w in words if w and text[:end].endswith(w)))
    return reachable[-1]


@template(
    "一次买卖股票的最大利润", "best time buy sell stock maximum profit once max difference 股票 买卖 一次 最大 利润"
)
def best_profit(prices: list[float]) -> float:
    """Find the largest profit of buying once and selling later."""
    lowest, profit = prices[0] if prices else 0, 0.0
    for price in prices:
        lowest = min(lowest, price)
        profit = max(profit, price - lowest)
    return profit


@template(
    "多次买卖股票的最大利润", "best time buy sell stock maximum profit many transactions 股票 买卖 多次 最大 利润"
)
def total_profit(prices: list[float]) -> float:
    """Find the largest profit of buying and selling any number of times."""
    return sum(max(after - before, 0) for before, after in itertools.pairwise(prices))


@template("乘积最大的子数组", "maximum product subarray contiguous 最大 乘积 子数组 连续")
def max_subarray_product(numbers: list[float]) -> float:
    """Find the largest product of a contiguous subarray."""
    best = high = low = numbers[0]
    for number in numbers[1:]:
        candidates = (number, high * number, low * number)
        high, low = max(candidates), min(candidates)
        best = max(best, high)
    return best


@template("跳到末尾的最少次数", "jump game minimum number of jumps to reach the end 跳跃 最少 次数 末尾")
def fewest_jumps(steps: list[int]) -> int:
    """Find the fewest jumps to the end, where each number is the longest jump from its place."""
    jumps, place, reach = 0, 0, 0
    while reach < len(steps) - 1:
        farthest = max(index + steps[index] for index in range(place, reach + 1))
        if farthest <= reach:
            return -1
        jumps, place, reach = jumps + 1, reach + 1, farthest
    return jumps


@template("能否跳到末尾", "jump game can reach the end 跳跃 能否 到达 末尾")
def can_reach_end(steps: list[int]) -> bool:
    """Check whether the end can be reached, where each number is the longest jump from its place."""
    reach = 0
    for place, step in enumerate(steps):
        if place > reach:
            return False
        reach = max(reach, place + step)
    return True


@template("切割钢条的最大收益", "rod cutting maximum price length 钢条 切割 最大 收益")
def rod_cutting(prices: list[int], length: int) -> int:
    """Find the best price of a rod cut into pieces; prices[i] is for length i + 1."""
    best = [0]
    for size in range(1, length + 1):
        best.append(max(prices[piece - 1] + best[size - piece] for piece in range(1, min(size, len(prices)) + 1)))
    return best[length]


@template("数字串的解码方法数", "decode ways letters digits count 解码 方法数 数字 字母")
def decode_ways(text: str) -> int:
    """Count the ways to read digits as letters, A = 1 to Z = 26."""
    before, ways = 0, 1
    for place, digit in enumerate(text):
        pair = place > 0 and 10 <= int(text[place - 1 : place + 1]) <= 26
        before, ways = ways, (ways if digit != "0" else 0) + (before if pair else 0)
    return ways
