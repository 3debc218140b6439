"""Dictionaries and records: grouping, inverting, merging, sorting by value."""

from serve_apps.code_generation.template import template


@template("键值互换", "invert swap keys and values dictionary 反转 互换 键 值 字典")
def invert(mapping: dict) -> dict:
    """Swap the keys and the values of a dictionary."""
    return {value: key for key, value in mapping.items()}


@template("按值收集键", "invert dictionary values to list of keys group 反转 相同值 键 列表")
def keys_by_value(mapping: dict) -> dict:
    """Map each value of a dictionary to the list of its keys."""
    groups: dict = {}
    for key, value in mapping.items():
        groups.setdefault(value, []).append(key)
    return groups


@template("把键值对分组", "group pairs by key into dictionary of lists key-value 分组 键值对 列表")
def group_pairs(pairs: list[tuple]) -> dict:
    """Group (key, value) pairs into a dictionary of lists."""
    groups: dict = {}
    for key, value in pairs:
        groups.setdefault(key, []).append(value)
    return groups


@template("按第二项把键值对分组", "group first elements on the basis of second element pairs 分组 第二个")
def group_by_second(pairs: list[tuple]) -> dict:
    """Group the first elements of pairs by their second elements."""
    groups: dict = {}
    for value, key in pairs:
        groups.setdefault(key, []).append(value)
    return groups


@template("按键求和", "sum values by key pairs total per key 按键 汇总 求和 合计 键值对")
def sum_pairs(pairs: list[tuple]) -> dict:
    """Sum the values of (key, value) pairs by key."""
    totals: dict = {}
    for key, value in pairs:
        totals[key] = totals.get(key, 0) + value
    return totals


@template("按长度分组", "group words by length 按长度 分组 单词")
def group_by_length(words: list[str]) -> dict:
    """Group words by their length."""
    groups: dict = {}
    for word in words:
        groups.setdefault(len(word), []).append(word)
    return groups


@template("按首字母分组", "group words by first letter 按首字母 分组 单词")
def group_by_first_letter(words: list[str]) -> dict:
    """Group words by their first letter."""
    groups: dict = {}
    for word in words:
        groups.setdefault(word[0], []).append(word)
    return groups


@template("合并字典并把相同键的值相加", "merge combine dictionaries add values for common keys 合并 相加 相同键 字典")
def merge_sum(first: dict, second: dict) -> dict:
    """Combine two dictionaries and add the values of common keys."""
    return {key: first.get(key, 0) + second.get(key, 0) for key in [*first, *(k for k in second if k not in first)]}


@template("合并字典", "merge dictionaries second overrides update 合并 覆盖 字典")
def merge(first: dict, second: dict) -> dict:
    """Merge two dictionaries; the second one wins."""
    return {**first, **second}


@template("递归合并字典", "deep merge nested dictionaries recursive override config 递归 深度 合并 嵌套 字典 配置")
def deep_merge(first: dict, second: dict) -> dict:
    """Merge nested dictionaries recursively; the second one wins."""
    merged = dict(first)
    for key, value in second.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = deep_merge(merged[key], value) if both else value
    return merged


@template("按值排序字典", "sort dictionary by value ascending items 按值 排序 升序 字典")
def sort_by_value(mapping: dict) -> list[tuple]:
    """Sort the items of a dictionary by value, smallest first."""
    return sorted(mapping.items(), key=lambda item: item[1])


@template("按值降序排序字典", "sort dictionary by value descending items highest first 按值 排序 降序 从大到小 字典")
def sort_by_value_descending(mapping: dict) -> list[tuple]:
    """Sort the items of a dictionary by value, largest first."""
    return sorted(mapping.items(), key=lambda item: item[1], reverse=True)


@template("按键排序字典", "sort dictionary by key 按键 排序 字典")
def sort_by_key(mapping: dict) -> dict:
    """Sort a dictionary by key."""
    return dict(sorted(mapping.items()))


@template("值最大的键", "key with maximum highest value dictionary best 最大值 的键 最高 字典")
def key_of_maximum(mapping: dict) -> object:
    """Find the key with the largest value."""
    return max(mapping, key=lambda key: mapping[key])


@template("值最小的键", "key with minimum lowest value dictionary 最小值 的键 最低 字典")
def key_of_minimum(mapping: dict) -> object:
    """Find the key with the smallest value."""
    return min(mapping, key=lambda key: mapping[key])


@template(
    "统计每个元素出现的次数", "count frequency occurrences of each element dictionary 统计 每个 元素 次数 频率 字典"
)
def frequency(items: list) -> dict:
    """Count how often each element occurs."""
    counts: dict = {}
    for item in items:
        counts[item] = counts.get(item, 0) + 1
    return counts


@template("按字段统计记录", "count records by field list of dictionaries 按字段 统计 记录 个数")
def count_by_field(records: list[dict], field: str) -> dict:
    """Count records by the value of a field."""
    counts: dict = {}
    for record in records:
        counts[record[field]] = counts.get(record[field], 0) + 1
    return counts


@template("按字段对记录分组", "group records by field list of dictionaries 按字段 分组 记录")
def group_by_field(records: list[dict], field: str) -> dict:
    """Group records (dictionaries) by the value of a field."""
    groups: dict = {}
    for record in records:
        groups.setdefault(record[field], []).append(record)
    return groups


@template("按字段汇总另一字段", "sum total field grouped by other field records 分组 汇总 求和 合计 记录 字段 按")
def sum_by_field(records: list[dict], group: str, value: str) -> dict:
    """Sum one field of records grouped by another field."""
    totals: dict = {}
    for record in records:
        totals[record[group]] = totals.get(record[group], 0) + record[value]
    return totals


@template("按字段求平均", "average mean field grouped by other field records 分组 平均 均值 记录 字段 按")
def average_by_field(records: list[dict], group: str, value: str) -> dict:
    """Average one field of records grouped by another field."""
    groups: dict = {}
    for record in records:
        groups.setdefault(record[group], []).append(record[value])
    return {key: sum(values) / len(values) for key, values in groups.items()}


@template("取出记录的某个字段", "pluck extract field values from records list of dictionaries 提取 取出 字段 记录")
def pluck(records: list[dict], field: str) -> list:
    """List one field of all records."""
    return [record[field] for record in records]


@template("按字段给记录排序", "sort records list of dictionaries by field 按字段 排序 记录 升序")
def sort_records(records: list[dict], field: str) -> list[dict]:
    """Sort records (dictionaries) by a field."""
    return sorted(records, key=lambda record: record[field])


@template(
    "按字段给记录降序排序", "sort records list of dictionaries by field descending 按字段 排序 记录 降序 从高到低"
)
def sort_records_descending(records: list[dict], field: str) -> list[dict]:
    """Sort records (dictionaries) by a field, largest first."""
    return sorted(records, key=lambda record: record[field], reverse=True)


@template("按路径读取嵌套字典", "get nested value by dotted path default 路径 嵌套 读取 点号 字典")
def get_path(mapping: dict, path: str, default: object = None) -> object:
    """Read a value of a nested dictionary by its dotted path, else a default."""
    value: object = mapping
    for key in path.split("."):
        if not isinstance(value, dict) or key not in value:
            return default
        value = value[key]
    return value


@template("展平嵌套字典", "flatten nested dictionary dotted keys 展平 嵌套 字典 点号 连接 键")
def flatten_dict(mapping: dict, separator: str = ".") -> dict:
    """Flatten a nested dictionary; keys are joined by dots."""
    flat: dict = {}
    for key, value in mapping.items():
        if isinstance(value, dict):
            flat |= {f"{key}{separator}{inner}": leaf for inner, leaf in flatten_dict(value, separator).items()}
        else:
            flat[str(key)] = value
    return flat


@template("比较两个字典", "difference between dictionaries changed keys compare 比较 差异 不同 变化 键 字典")
def changed_keys(first: dict, second: dict) -> list:
    """List the keys whose values differ between two dictionaries, sorted."""
    missing = object()
    return sorted(key for key in first.keys() | second.keys() if first.get(key, missing) != second.get(key, missing))


@template("由两个列表组成字典", "dictionary from two lists keys and values zip 两个列表 组成 字典 键 值")
def from_lists(keys: list, values: list) -> dict:
    """Make a dictionary of a list of keys and a list of values."""
    return dict(zip(keys, values, strict=False))


@template("值最大的前n项", "top n items largest values dictionary highest 前n 最大 最高 字典")
def top_items(mapping: dict, count: int) -> list:
    """List the keys of the n largest values, largest first."""
    return sorted(mapping, key=lambda key: -mapping[key])[:count]


@template("合计购物车或订单金额", "total price quantity cart order amount records 购物车 订单 总价 金额 单价 数量")
def order_total(lines: list[dict], price: str = "price", quantity: str = "quantity") -> float:
    """Calculate the total of order lines: price times quantity."""
    return sum(line[price] * line[quantity] for line in lines)
