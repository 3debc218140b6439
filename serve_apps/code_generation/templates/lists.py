"""Lists: order, duplicates, windows, grouping, and sums of parts."""

import itertools

from serve_apps.code_generation.template import template


@template("去重并保持顺序", "unique remove duplicates keep order distinct 去重 去除重复 保持顺序 不重复")
def unique(items: list) -> list:
    """Remove duplicates from a list and keep the order."""
    kept: list = []
    for item in items:
        if item not in kept:
            kept.append(item)
    return kept


@template("去掉相邻的重复元素", "remove consecutive duplicates adjacent 相邻 连续 重复 去重")
def remove_consecutive_duplicates(items: list) -> list:
    """Remove consecutive duplicates of a list."""
    return [item for item, _ in itertools.groupby(items)]


@template("找出重复的元素", "find duplicates repeated elements more than once 重复 出现多次 元素")
def find_duplicates(items: list) -> list:
    """Find the elements that occur more than once, in order of appearance."""
    return list(dict.fromkeys(item for item in items if items.count(item) > 1))


@template("找出只出现一次的元素", "elements that occur once unique non-repeated 只出现一次 唯一 不重复")
def occurring_once(items: list) -> list:
    """Find the elements that occur exactly once."""
    return [item for item in items if items.count(item) == 1]


@template("按固定大小分块", "chunk split list into parts of size groups 分块 分组 切分 每n个 固定大小")
def chunk(items: list, size: int) -> list[list]:
    """Split a list into chunks of a given size."""
    return [items[start : start + size] for start in range(0, len(items), size)]


@template("向左旋转列表", "rotate left list by k positions 左旋 向左 旋转 轮转 左移")
def rotate_left(items: list, steps: int) -> list:
    """Rotate a list to the left by some steps."""
    steps = steps % len(items) if items else 0
    return items[steps:] + items[:steps]


@template("向右旋转列表", "rotate right list by k positions 右旋 向右 旋转 轮转 右移")
def rotate_right(items: list, steps: int) -> list:
    """Rotate a list to the right by some steps."""
    steps = steps % len(items) if items else 0
    return items[len(items) - steps :] + items[: len(items) - steps]


@template("展平一层", "flatten one level list of lists concatenate 展平 合并 一层 二维 列表")
def concatenate(lists: list[list]) -> list:
    """Flatten a list of lists by one level."""
    return [item for inner in lists for item in inner]


@template("第k大的元素", "kth largest second third element distinct 第k大 第二大 第几大 最大")
def kth_largest(numbers: list[float], k: int = 2) -> float:
    """Find the kth largest distinct number (second largest, third largest, ...)."""
    return sorted(set(numbers), reverse=True)[k - 1]


@template("第k小的元素", "kth smallest second third element distinct 第k小 第二小 第几小 最小")
def kth_smallest(numbers: list[float], k: int = 2) -> float:
    """Find the kth smallest distinct number (second smallest, third smallest, ...)."""
    return sorted(set(numbers))[k - 1]


@template("第k大的元素，重复值分别计算", "kth largest element with duplicates in array sorted order 第k大 重复")
def kth_largest_with_duplicates(numbers: list[float], k: int) -> float:
    """Find the kth largest element of an array, duplicates counted."""
    return sorted(numbers, reverse=True)[k - 1]


@template("前k个最大的数", "top k largest n numbers list 前k个 最大 的k个数")
def largest(numbers: list[float], count: int) -> list[float]:
    """List the k largest numbers, largest first."""
    return sorted(numbers, reverse=True)[:count]


@template("前k个最小的数", "top k smallest n numbers list 前k个 最小 的k个数")
def smallest(numbers: list[float], count: int) -> list[float]:
    """List the k smallest numbers, smallest first."""
    return sorted(numbers)[:count]


@template("交替合并两个列表", "interleave lists alternately merge 交替 合并 列表 轮流")
def interleave(first: list, second: list) -> list:
    """Merge two lists by taking their elements alternately; the rest of the longer one follows."""
    common = min(len(first), len(second))
    pairs = [item for pair in zip(first, second, strict=False) for item in pair]
    return pairs + first[common:] + second[common:]


@template("合并两个有序列表", "merge two sorted lists 合并 有序 已排序 列表 归并")
def merge_sorted(first: list[float], second: list[float]) -> list[float]:
    """Merge two sorted lists into one sorted list."""
    merged, i, j = [], 0, 0
    while i < len(first) and j < len(second):
        if first[i] <= second[j]:
            merged.append(first[i])
            i += 1
        else:
            merged.append(second[j])
            j += 1
    return merged + first[i:] + second[j:]


@template("把某个值移到末尾", "move zeros to the end keep order 移动 零 末尾 相对顺序")
def move_to_end(items: list, value: int = 0) -> list:
    """Move all zeros (or another value) to the end of a list."""
    return [item for item in items if item != value] + [item for item in items if item == value]


@template("多数元素", "majority element more than half 多数 超过一半 元素")
def majority_element(items: list) -> object:
    """Find the element that occurs more than half of the time, else None."""
    return next((item for item in items if items.count(item) * 2 > len(items)), None)


@template("判断是否有序", "is sorted ascending order monotonic check increasing 判断 有序 升序 递增")
def is_sorted(items: list) -> bool:
    """Check whether a list is sorted in ascending order."""
    return all(a <= b for a, b in itertools.pairwise(items))


@template("判断是否单调", "monotonic increasing or decreasing 单调 递增 递减")
def is_monotonic(items: list[float]) -> bool:
    """Check whether a list is monotonic, increasing or decreasing."""
    rising = all(a <= b for a, b in itertools.pairwise(items))
    return rising or all(a >= b for a, b in itertools.pairwise(items))


@template("找出峰值", "peaks local maxima greater than neighbors 峰值 局部最大 相邻")
def peaks(numbers: list[float]) -> list[float]:
    """List the numbers that are greater than both neighbours."""
    return [b for a, b, c in zip(numbers, numbers[1:], numbers[2:], strict=False) if a < b > c]


@template("按出现频率排序", "sort by frequency occurrences most frequent first 频率 次数 排序")
def sort_by_frequency(items: list) -> list:
    """Sort elements by how often they occur, most frequent first."""
    return sorted(items, key=lambda item: (-items.count(item), items.index(item)))


@template("出现最多的k个元素", "top k frequent most common elements 前k个 高频 出现最多")
def top_k_frequent(items: list, count: int) -> list:
    """List the k most frequent elements, most frequent first."""
    return sorted(dict.fromkeys(items), key=lambda item: -items.count(item))[:count]


@template("众数", "mode most frequent common element highest occurrences 众数 出现次数最多")
def most_frequent(items: list) -> object:
    """Find the most frequent element, the first one of equals."""
    return max(dict.fromkeys(items), key=items.count)


@template("按条件分成两组", "partition even odd separate two lists 奇数 偶数 分成 两组 拆分")
def partition_even_odd(numbers: list[int]) -> tuple:
    """Separate a list into its even and its odd numbers."""
    return [number for number in numbers if number % 2 == 0], [number for number in numbers if number % 2]


@template("前面全部元素都更小的元素", "leaders greater than all elements to the right 领导者 右侧 更大")
def leaders(numbers: list[float]) -> list[float]:
    """List the numbers that are greater than all numbers to their right."""
    return [number for place, number in enumerate(numbers) if all(number > other for other in numbers[place + 1 :])]


@template("下一个更大的元素", "next greater element to the right 下一个 更大 元素")
def next_greater(numbers: list[float]) -> list[float]:
    """Find for each number the next greater one to its right, else -1."""
    return [
        next((other for other in numbers[place + 1 :] if other > number), -1) for place, number in enumerate(numbers)
    ]


@template("打包连续相同元素", "pack group consecutive equal duplicates into sublists 打包 连续 相同 子列表 分组")
def pack_consecutive(items: list) -> list[list]:
    """Pack runs of equal elements into sublists."""
    return [list(run) for _, run in itertools.groupby(items)]


@template("插入元素保持有序", "insert into sorted list keep order 插入 有序 列表")
def insert_sorted(items: list[float], value: float) -> list[float]:
    """Insert a value into a sorted list so that it stays sorted."""
    place = sum(item <= value for item in items)
    return [*items[:place], value, *items[place:]]
