"""Searching: sorted lists, graphs, grids, intervals."""

import bisect
import heapq
import itertools

from serve_apps.code_generation.template import template


@template("二分查找", "binary search index in sorted list 二分 查找 有序 下标")
def binary_search(items: list[float], target: float) -> int:
    """Find the index of a value in a sorted list by binary search, else -1."""
    low, high = 0, len(items) - 1
    while low <= high:
        middle = (low + high) // 2
        if items[middle] == target:
            return middle
        if items[middle] < target:
            low = middle + 1
        else:
            high = middle - 1
    return -1


@template("有序列表中的插入位置", "insertion point position sorted list left bisect 插入 位置 有序")
def insertion_point(items: list[float], value: float) -> int:
    """Find the leftmost place to insert a value into a sorted list."""
    return bisect.bisect_left(items, value)


@template("有序列表中的右插入位置", "right insertion point position sorted list bisect 右侧 插入 位置 有序")
def right_insertion_point(items: list[float], value: float) -> int:
    """Find the rightmost place to insert a value into a sorted list."""
    return bisect.bisect_right(items, value)


@template(
    "目标值的起止位置", "first and last position of target in sorted array range 起始 结束 位置 第一个 最后一个 有序"
)
def first_and_last(items: list[float], target: float) -> list[int]:
    """Find the first and the last index of a value in a sorted list, else [-1, -1]."""
    places = [place for place, item in enumerate(items) if item == target]
    return [places[0], places[-1]] if places else [-1, -1]


@template("最后一次出现的位置", "last occurrence position index of element 最后 出现 位置 下标")
def last_index(items: list, target: object) -> int:
    """Find the last index of a value, else -1."""
    return max((place for place, item in enumerate(items) if item == target), default=-1)


@template("最接近目标的值", "closest nearest value to target 最接近 目标 值")
def closest(numbers: list[float], target: float) -> float:
    """Find the number closest to a target, the first one of equals."""
    return min(numbers, key=lambda number: abs(number - target))


@template("最接近目标的k个值", "k closest nearest values to target 最接近 k个 目标")
def k_closest(numbers: list[float], target: float, count: int) -> list[float]:
    """List the k numbers closest to a target, in ascending order."""
    return sorted(sorted(numbers, key=lambda number: abs(number - target))[:count])


@template("旋转有序数组的最小值", "minimum rotated sorted array 旋转 有序 数组 最小值")
def rotated_minimum(numbers: list[float]) -> float:
    """Find the smallest element of a rotated sorted array."""
    low, high = 0, len(numbers) - 1
    while low < high:
        middle = (low + high) // 2
        if numbers[middle] > numbers[high]:
            low = middle + 1
        else:
            high = middle
    return numbers[low]


@template(
    "图中的最短路径步数", "shortest path unweighted graph breadth first search edges bfs 最短 路径 图 广度优先 步数"
)
def fewest_edges(graph: dict, start: object, goal: object) -> int:
    """Find the fewest edges between two nodes of a graph of neighbour lists, else -1."""
    distance, queue = {start: 0}, [start]
    for node in queue:
        if node == goal:
            return distance[node]
        for neighbour in graph.get(node, ()):
            if neighbour not in distance:
                distance[neighbour] = distance[node] + 1
                queue.append(neighbour)
    return -1


@template("图中的最短路径", "shortest path nodes list graph breadth first search 最短 路径 图 节点 列表 经过")
def shortest_path(graph: dict, start: object, goal: object) -> list:
    """List the nodes of a shortest path in a graph of neighbour lists, else an empty list."""
    paths, queue = {start: [start]}, [start]
    for node in queue:
        for neighbour in graph.get(node, ()):
            if neighbour not in paths:
                paths[neighbour] = [*paths[node], neighbour]
                queue.append(neighbour)
    return paths.get(goal, [])


@template("带权图的最短距离", "dijkstra shortest distance weighted graph 最短 距离 带权 图 迪杰斯特拉")
def shortest_distances(graph: dict, start: object) -> dict:
    """Find the shortest distance from a node to each reachable one; graph = {node: {neighbour: weight}}."""
    distances: dict = {}
    heap = [(0, start)]
    while heap:
        distance, node = heapq.heappop(heap)
        if node not in distances:
            distances[node] = distance
            for neighbour, weight in graph.get(node, {}).items():
                heapq.heappush(heap, (distance + weight, neighbour))
    return distances


@template("迷宫最短步数", "shortest path maze grid steps walls breadth first search 迷宫 网格 最短 步数 障碍")
def maze_steps(grid: list[list[int]]) -> int:
    """Find the fewest steps from the top left to the bottom right of a grid where 1 is a wall, else -1."""
    rows, columns = len(grid), len(grid[0])
    steps, queue = {(0, 0): 0}, [(0, 0)] if grid[0][0] == 0 else []
    for i, j in queue:
        for place in ((i + 1, j), (i - 1, j), (i, j + 1), (i, j - 1)):
            inside = 0 <= place[0] < rows and 0 <= place[1] < columns
            if inside and grid[place[0]][place[1]] == 0 and place not in steps:
                steps[place] = steps[i, j] + 1
                queue.append(place)
    return steps.get((rows - 1, columns - 1), -1) if queue else -1


@template("深度优先遍历", "depth first search traversal order graph dfs 深度优先 遍历 图 顺序")
def depth_first(graph: dict, start: object) -> list:
    """List the nodes of a graph in depth-first order."""
    order: list = []
    stack = [start]
    while stack:
        node = stack.pop()
        if node not in order:
            order.append(node)
            stack.extend(reversed(graph.get(node, [])))
    return order


@template("广度优先遍历", "breadth first search traversal order graph bfs 广度优先 遍历 图 顺序")
def breadth_first(graph: dict, start: object) -> list:
    """List the nodes of a graph in breadth-first order."""
    queue = [start]
    for node in queue:
        queue.extend(neighbour for neighbour in graph.get(node, []) if neighbour not in queue)
    return queue


@template("连通分量个数", "connected components count undirected graph edges provinces 连通 分量 个数 图")
def count_components(nodes: int, edges: list[tuple]) -> int:
    """Count the connected components of a graph of n nodes (0 to n-1) and edges."""
    parent = list(range(nodes))

    def root(node: int) -> int:
        while parent[node] != node:
            node = parent[node]
        return node

    for a, b in edges:
        parent[root(a)] = root(b)
    return sum(root(node) == node for node in range(nodes))


@template("拓扑排序", "topological sort order dependencies prerequisites courses 拓扑 排序 依赖 先修")
def topological_order(graph: dict) -> list:
    """Order the nodes so that each comes after all it depends on; graph = {node: [dependencies]}."""
    order: list = []

    def visit(node: object) -> None:
        if node not in order:
            for dependency in graph.get(node, ()):
                visit(dependency)
            order.append(node)

    for node in graph:
        visit(node)
    return order


@template("有向图是否有环", "cycle in directed graph can finish courses dependencies circular 有向图 环 循环 依赖")
def has_cycle(graph: dict) -> bool:
    """Check whether a directed graph of neighbour lists has a cycle."""
    done, path = set(), set()

    def visit(node: object) -> bool:
        if node in done:
            return False
        if node in path:
            return True
        path.add(node)
        found = any(visit(neighbour) for neighbour in graph.get(node, ()))
        path.discard(node)
        done.add(node)
        return found

    return any(visit(node) for node in graph)


@template("N皇后的解数", "n queens solutions count 皇后 解 个数 棋盘")
def count_queens(size: int) -> int:
    """Count the ways to place n queens on a board so that none attacks another."""

    def place(row: int, columns: set, rising: set, falling: set) -> int:
        if row == size:
            return 1
        free = (c for c in range(size) if not (c in columns or row + c in rising or row - c in falling))
        return sum(place(row + 1, columns | {c}, rising | {row + c}, falling | {row - c}) for c in free)

    return place(0, set(), set(), set())


@template("在网格中查找单词", "word search grid letters adjacent 单词 搜索 网格 字母 相邻")
def word_in_grid(board: list[list[str]], word: str) -> bool:
    """Check whether a word can be read along adjacent cells of a grid, each used once."""

    def read(i: int, j: int, rest: str, used: frozenset) -> bool:
        if not rest:
            return True
        inside = 0 <= i < len(board) and 0 <= j < len(board[0]) and (i, j) not in used
        if not inside or board[i][j] != rest[0]:
            return False
        beside = ((i + 1, j), (i - 1, j), (i, j + 1), (i, j - 1))
        return any(read(x, y, rest[1:], used | {(i, j)}) for x, y in beside)

    return any(read(i, j, word, frozenset()) for i in range(len(board)) for j in range(len(board[0])))


@template("盛最多水的容器", "container with most water two lines area 盛水 最多 容器 面积")
def largest_container(heights: list[int]) -> int:
    """Find the most water that two lines can hold between them."""
    left, right, most = 0, len(heights) - 1, 0
    while left < right:
        most = max(most, (right - left) * min(heights[left], heights[right]))
        if heights[left] < heights[right]:
            left += 1
        else:
            right -= 1
    return most


@template("接雨水", "trapping rain water heights bars 接雨水 柱子 雨水")
def trapped_water(heights: list[int]) -> int:
    """Calculate the rain water that bars of given heights hold."""
    return sum(min(max(heights[: i + 1]), max(heights[i:])) - height for i, height in enumerate(heights))


@template("合并区间", "merge overlapping intervals 合并 重叠 区间")
def merge_intervals(intervals: list[list[int]]) -> list[list[int]]:
    """Merge overlapping intervals."""
    merged: list[list[int]] = []
    for start, end in sorted(intervals):
        if merged and start <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end)
        else:
            merged.append([start, end])
    return merged


@template(
    "最多同时进行的区间数",
    "meeting rooms minimum number platforms overlapping intervals at once 会议室 最少 同时 重叠 区间",
)
def most_overlapping(intervals: list[list[int]]) -> int:
    """Find how many intervals overlap at most (meeting rooms needed)."""
    return max((sum(s <= start < e for s, e in intervals) for start, _ in intervals), default=0)


@template("判断区间是否重叠", "intervals overlap any conflict 区间 重叠 冲突")
def intervals_overlap(intervals: list[list[int]]) -> bool:
    """Check whether any two intervals overlap."""
    ordered = sorted(intervals)
    return any(first[1] > second[0] for first, second in itertools.pairwise(ordered))
