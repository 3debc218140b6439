"""Numbers in lists: running values, windows, pairs and parts with a wanted sum."""

import itertools

from serve_apps.code_generation.template import template


@template("移动平均", "moving average sliding window rolling mean 移动平均 滑动窗口 均值")
def moving_average(numbers: list[float], window: int) -> list[float]:
    """Calculate the moving average over a window."""
    return [sum(numbers[start : start + window]) / window for start in range(len(numbers) - window + 1)]


@template("滑动窗口最大值", "sliding window maximum each window 滑动窗口 最大值")
def sliding_maximum(numbers: list[float], window: int) -> list[float]:
    """Find the maximum of each sliding window."""
    return [max(numbers[start : start + window]) for start in range(len(numbers) - window + 1)]


@template("累计和", "running total cumulative sum prefix sums 累计 累加 前缀和")
def running_total(numbers: list[float]) -> list[float]:
    """Calculate the running total (cumulative sum) of a list."""
    return list(itertools.accumulate(numbers))


@template("到目前为止的最大值", "running maximum rolling max so far prefix 累计 最大值 目前为止")
def running_maximum(numbers: list[float]) -> list[float]:
    """List the maximum so far at each place."""
    return list(itertools.accumulate(numbers, max))


@template("相邻元素之差", "differences between consecutive adjacent elements 相邻 差 差值")
def differences(numbers: list[float]) -> list[float]:
    """Calculate the differences between consecutive numbers."""
    return [following - number for number, following in itertools.pairwise(numbers)]


@template("两数之和的下标", "two sum indices target add up 两数之和 下标 目标值")
def two_sum(numbers: list[float], target: float) -> list[int]:
    """Find the indices of two numbers that add up to a target (two sum)."""
    places: dict[float, int] = {}
    for place, number in enumerate(numbers):
        if target - number in places:
            return [places[target - number], place]
        places[number] = place
    return []


@template("和为目标值的数对", "pairs with given sum target 数对 和为 目标")
def pairs_with_sum(numbers: list[float], target: float) -> list[tuple]:
    """List the pairs of numbers that add up to a target."""
    return [(a, b) for a, b in itertools.combinations(numbers, 2) if a + b == target]


@template("和为目标值的数对个数", "count number of pairs with given sum 数对 个数 和为 目标")
def count_pairs_with_sum(numbers: list[float], target: float) -> int:
    """Count the pairs of numbers whose sum is a target."""
    return sum(a + b == target for a, b in itertools.combinations(numbers, 2))


@template("三数之和", "three sum triplets zero target 三数之和 三元组")
def three_sum(numbers: list[int], target: int = 0) -> list[list[int]]:
    """List the different triplets of numbers that add up to a target, sorted."""
    found = {tuple(sorted(chosen)) for chosen in itertools.combinations(numbers, 3) if sum(chosen) == target}
    return [list(triplet) for triplet in sorted(found)]


@template("最大子数组和", "maximum subarray sum contiguous kadane 最大 子数组 连续 之和")
def max_subarray_sum(numbers: list[float]) -> float:
    """Find the largest sum of a contiguous subarray (Kadane)."""
    best = current = numbers[0]
    for number in numbers[1:]:
        current = max(number, current + number)
        best = max(best, current)
    return best


@template("缺失的数字", "missing number from 0 to n sequence 缺失 缺少 数字")
def missing_number(numbers: list[int]) -> int:
    """Find the smallest number missing from a run of numbers that begins with 0 or 1."""
    start = min(0, *numbers) if 0 in numbers else 1
    while start in numbers:
        start += 1
    return start


@template("缺失的最小正整数", "first smallest missing positive integer 缺失 最小 正整数")
def first_missing_positive(numbers: list[int]) -> int:
    """Find the smallest missing positive integer."""
    candidate = 1
    while candidate in numbers:
        candidate += 1
    return candidate


@template("最长连续递增段", "longest increasing run consecutive contiguous length 最长 连续 递增 长度")
def longest_increasing_run(numbers: list[float]) -> int:
    """Find the length of the longest contiguous increasing run."""
    longest = current = 1 if numbers else 0
    for a, b in itertools.pairwise(numbers):
        current = current + 1 if b > a else 1
        longest = max(longest, current)
    return longest


@template("最长连续整数序列", "longest consecutive sequence integers unsorted length 最长 连续 序列 整数")
def longest_consecutive(numbers: list[int]) -> int:
    """Find the length of the longest run of consecutive integers, in any order."""
    present, longest = set(numbers), 0
    for number in present:
        if number - 1 not in present:
            end = number
            while end + 1 in present:
                end += 1
            longest = max(longest, end - number + 1)
    return longest


@template("除自身以外的乘积", "product of array except self others 除自身以外 乘积")
def product_except_self(numbers: list[int]) -> list[int]:
    """Calculate for each place the product of all other numbers."""
    products = []
    for place in range(len(numbers)):
        product = 1
        for number in numbers[:place] + numbers[place + 1 :]:
            product *= number
        products.append(product)
    return products


@template("平衡下标", "equilibrium pivot index left sum equals right sum 平衡 中心 下标 左右 和相等")
def equilibrium_index(numbers: list[float]) -> int:
    """Find the first index where the sum to the left equals the sum to the right, else -1."""
    return next((i for i in range(len(numbers)) if sum(numbers[:i]) == sum(numbers[i + 1 :])), -1)


@template("逆序对个数", "count inversions pairs out of order 逆序对 逆序数")
def count_inversions(numbers: list[float]) -> int:
    """Count the inversions: pairs in the wrong order."""
    return sum(a > b for a, b in itertools.combinations(numbers, 2))
