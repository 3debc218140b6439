"""Formulas of geometry, statistics and money."""

import math
import statistics

from serve_apps.code_generation.template import template


@template("圆的面积", "area circle radius 圆 面积 半径")
def circle_area(radius: float) -> float:
    """Calculate the area of a circle."""
    return math.pi * radius**2


@template("圆的周长", "circumference perimeter circle radius 圆 周长 半径")
def circle_circumference(radius: float) -> float:
    """Calculate the circumference of a circle."""
    return 2 * math.pi * radius


@template("三边求三角形面积", "triangle area heron three sides 三角形 面积 海伦 三边")
def triangle_area(a: float, b: float, c: float) -> float:
    """Calculate the area of a triangle from its three sides (Heron)."""
    half = (a + b + c) / 2
    return math.sqrt(half * (half - a) * (half - b) * (half - c))


@template("判断三边能否构成三角形", "triangle valid inequality three sides 三角形 构成 三边 判断")
def is_triangle(a: float, b: float, c: float) -> bool:
    """Check whether three sides make a triangle."""
    return a + b > c and a + c > b and b + c > a


@template("判断直角三角形", "right angled triangle pythagoras three sides 直角三角形 勾股")
def is_right_triangle(a: float, b: float, c: float) -> bool:
    """Check whether three sides make a right-angled triangle."""
    short, middle, long = sorted((a, b, c))
    return math.isclose(short**2 + middle**2, long**2)


@template("三角形的种类", "triangle type equilateral isosceles scalene 三角形 种类 等边 等腰 不等边")
def triangle_type(a: float, b: float, c: float) -> str:
    """Tell the type of a triangle from its sides: equilateral, isosceles or scalene."""
    return {1: "equilateral", 2: "isosceles", 3: "scalene"}[len({a, b, c})]


@template("两点间的距离", "distance between two points coordinates euclidean 距离 两点 坐标 欧几里得")
def distance(x1: float, y1: float, x2: float, y2: float) -> float:
    """Calculate the distance between two points."""
    return math.hypot(x2 - x1, y2 - y1)


@template("曼哈顿距离", "manhattan distance points coordinates 曼哈顿 距离 坐标")
def manhattan_distance(first: tuple, second: tuple) -> float:
    """Calculate the Manhattan distance between two points."""
    return sum(abs(a - b) for a, b in zip(first, second, strict=True))


@template("点与点的欧氏距离", "euclidean distance points tuples vectors 欧氏 距离 点 向量")
def euclidean_distance(first: tuple, second: tuple) -> float:
    """Calculate the Euclidean distance between two points given as tuples or lists."""
    return math.dist(first, second)


@template("直线斜率", "slope of line two points 斜率 直线")
def slope(x1: float, y1: float, x2: float, y2: float) -> float:
    """Calculate the slope of the line through two points."""
    return (y2 - y1) / (x2 - x1)


@template("球的体积", "volume sphere radius 球 体积")
def sphere_volume(radius: float) -> float:
    """Calculate the volume of a sphere."""
    return 4 / 3 * math.pi * radius**3


@template("球的表面积", "surface area sphere radius 球 表面积")
def sphere_surface(radius: float) -> float:
    """Calculate the surface area of a sphere."""
    return 4 * math.pi * radius**2


@template("圆柱的体积", "volume cylinder radius height 圆柱 体积")
def cylinder_volume(radius: float, height: float) -> float:
    """Calculate the volume of a cylinder."""
    return math.pi * radius**2 * height


@template("圆锥的体积", "volume cone radius height 圆锥 体积")
def cone_volume(radius: float, height: float) -> float:
    """Calculate the volume of a cone."""
    return math.pi * radius**2 * height / 3


@template("圆柱的侧面积", "lateral surface area cylinder radius height 圆柱 侧面积")
def cylinder_lateral_surface(radius: float, height: float) -> float:
    """Calculate the lateral surface area of a cylinder."""
    return 2 * math.pi * radius * height


@template("圆锥的侧面积", "lateral surface area cone radius height 圆锥 侧面积")
def cone_lateral_surface(radius: float, height: float) -> float:
    """Calculate the lateral surface area of a cone."""
    return math.pi * radius * math.hypot(radius, height)


@template("正多边形的面积", "area regular polygon sides length 正多边形 面积 边数 边长")
def polygon_area(sides: int, length: float) -> float:
    """Calculate the area of a regular polygon."""
    return sides * length**2 / (4 * math.tan(math.pi / sides))


@template("一元二次方程的根", "quadratic equation roots solve 一元二次方程 求根 解")
def quadratic_roots(a: float, b: float, c: float) -> list[float]:
    """Solve a quadratic equation; the real roots come in ascending order."""
    discriminant = b * b - 4 * a * c
    if discriminant < 0:
        return []
    return sorted({(-b - math.sqrt(discriminant)) / (2 * a), (-b + math.sqrt(discriminant)) / (2 * a)})


@template("摄氏度转华氏度", "celsius to fahrenheit temperature convert 摄氏 华氏 温度")
def celsius_to_fahrenheit(celsius: float) -> float:
    """Convert a temperature from Celsius to Fahrenheit."""
    return celsius * 9 / 5 + 32


@template("华氏度转摄氏度", "fahrenheit to celsius temperature convert 华氏 摄氏 温度")
def fahrenheit_to_celsius(fahrenheit: float) -> float:
    """Convert a temperature from Fahrenheit to Celsius."""
    return (fahrenheit - 32) * 5 / 9


@template("身体质量指数", "bmi body mass index weight height 体重 身高 指数")
def body_mass_index(weight: float, height: float) -> float:
    """Calculate the body mass index from kilograms and metres."""
    return weight / height**2


@template("复利本息和", "compound interest amount principal rate years 复利 本金 利率 年 本息")
def compound_amount(principal: float, rate: float, years: float) -> float:
    """Calculate the amount with compound interest, the rate as a share."""
    return principal * (1 + rate) ** years


@template("单利利息", "simple interest principal rate time 单利 利息 本金 利率")
def simple_interest(principal: float, rate: float, years: float) -> float:
    """Calculate simple interest, the rate in percent."""
    return principal * rate * years / 100


@template("等额本息月供", "monthly payment loan mortgage annuity rate months 等额本息 月供 贷款 利率 期数")
def monthly_payment(principal: float, annual_rate: float, months: int) -> float:
    """Calculate the monthly payment of a loan, the annual rate as a share, rounded to cents."""
    rate = annual_rate / 12
    payment = principal / months if rate == 0 else principal * rate / (1 - (1 + rate) ** -months)
    return round(payment, 2)


@template("阶梯计费", "tiered price progressive tax bracket usage fee 阶梯 计费 超额累进 税 电费 分段")
def tiered_price(amount: float, limits: list[float], prices: list[float]) -> float:
    """Charge each part of an amount between rising limits at the price of its tier."""
    total, lower = 0.0, 0.0
    for place, price in enumerate(prices):
        upper = limits[place] if place < len(limits) else amount
        total += max(min(amount, upper) - lower, 0) * price
        lower = upper
    return total


@template("中位数", "median middle value 中位数 中间")
def median(numbers: list[float]) -> float:
    """Find the median of a list of numbers."""
    return statistics.median(numbers)


@template("总体方差", "population variance 方差 总体")
def variance(numbers: list[float]) -> float:
    """Calculate the population variance."""
    return statistics.pvariance(numbers)


@template("总体标准差", "population standard deviation 标准差 总体")
def standard_deviation(numbers: list[float]) -> float:
    """Calculate the population standard deviation."""
    return statistics.pstdev(numbers)


@template("样本标准差", "sample standard deviation 标准差 样本")
def sample_deviation(numbers: list[float]) -> float:
    """Calculate the sample standard deviation."""
    return statistics.stdev(numbers)


@template("归一化到零和一之间", "normalize scale min max between 0 and 1 rescale 归一化 缩放 最小 最大")
def normalize(numbers: list[float]) -> list[float]:
    """Scale numbers linearly so that the smallest is 0 and the largest is 1."""
    low, high = min(numbers), max(numbers)
    return [(number - low) / (high - low) if high > low else 0.0 for number in numbers]


@template("平均绝对偏差", "mean absolute deviation average 平均 绝对 偏差")
def mean_absolute_deviation(numbers: list[float]) -> float:
    """Calculate the mean absolute deviation around the mean."""
    mean = sum(numbers) / len(numbers)
    return sum(abs(number - mean) for number in numbers) / len(numbers)


@template("加权平均", "weighted average mean weights 加权 平均 权重")
def weighted_average(values: list[float], weights: list[float]) -> float:
    """Calculate the weighted average of values."""
    return sum(value * weight for value, weight in zip(values, weights, strict=True)) / sum(weights)


@template("增长率百分比", "percentage change growth rate increase 百分比 变化 增长率 涨幅")
def percentage_change(before: float, after: float) -> float:
    """Calculate the change from one value to another in percent."""
    return (after - before) / before * 100
