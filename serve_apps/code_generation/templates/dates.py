"""Dates and times of day, as ISO text (2024-05-01, 08:30) or numbers."""

import calendar
import datetime

from serve_apps.code_generation.template import template


@template("判断闰年", "leap year 闰年")
def is_leap_year(year: int) -> bool:
    """Check whether a year is a leap year."""
    return calendar.isleap(year)


@template("某月的天数", "days in month year number 天数 月份 某月 多少天")
def days_in_month(year: int, month: int) -> int:
    """Find the number of days in a month of a year."""
    return calendar.monthrange(year, month)[1]


@template("两个日期相差的天数", "days between two dates difference 日期 相差 天数 间隔")
def days_between(first: str, second: str) -> int:
    """Count the days between two dates."""
    return abs((datetime.date.fromisoformat(second) - datetime.date.fromisoformat(first)).days)


@template("日期加上若干天", "add days to date later after 日期 加 天 之后 推迟")
def add_days(date: str, days: int) -> str:
    """Add days to a date."""
    return (datetime.date.fromisoformat(date) + datetime.timedelta(days=days)).isoformat()


@template("日期加上若干月", "add months to date later end of month 日期 加 月 之后 个月")
def add_months(date: str, months: int) -> str:
    """Add months to a date; the day is cut to the length of the month."""
    start = datetime.date.fromisoformat(date)
    years, month = divmod(start.month - 1 + months, 12)
    last = calendar.monthrange(start.year + years, month + 1)[1]
    return datetime.date(start.year + years, month + 1, min(start.day, last)).isoformat()


@template("星期几的英文名", "day of week weekday name date monday sunday 星期几 英文")
def weekday_name(date: str) -> str:
    """Find the English name of the weekday of a date."""
    names = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
    return names[datetime.date.fromisoformat(date).weekday()]


@template("星期几的中文名", "weekday chinese 星期几 周几 礼拜 中文")
def weekday_chinese(date: str) -> str:
    """Find the Chinese name of the weekday of a date."""
    return "星期" + "一二三四五六日"[datetime.date.fromisoformat(date).weekday()]


@template("星期几的序号", "weekday number iso monday 1 sunday 7 星期几 序号 数字")
def weekday_number(date: str) -> int:
    """Find the number of the weekday of a date, 1 for Monday to 7 for Sunday."""
    return datetime.date.fromisoformat(date).isoweekday()


@template("判断是否周末", "is weekend saturday sunday 周末 星期六 星期日")
def is_weekend(date: str) -> bool:
    """Check whether a date falls on a weekend."""
    return datetime.date.fromisoformat(date).weekday() >= 5


@template("工作日天数", "count working business days between dates weekdays inclusive 工作日 天数 周一 周五 之间")
def working_days(start: str, end: str) -> int:
    """Count the working days (Monday to Friday) between two dates, both included."""
    first, last = datetime.date.fromisoformat(start), datetime.date.fromisoformat(end)
    days = (first + datetime.timedelta(days=offset) for offset in range((last - first).days + 1))
    return sum(day.weekday() < 5 for day in days)


@template("一年中的第几天", "day of year ordinal number 一年 第几天")
def day_of_year(date: str) -> int:
    """Find which day of the year a date is."""
    return datetime.date.fromisoformat(date).timetuple().tm_yday


@template("所在季度", "quarter of the year month 季度")
def quarter(date: str) -> int:
    """Find the quarter of the year of a date."""
    return (datetime.date.fromisoformat(date).month + 2) // 3


@template("计算周岁", "age years birthday on date full years 年龄 周岁 生日 出生")
def age(birthday: str, today: str) -> int:
    """Calculate the age in full years on a date."""
    born, now = datetime.date.fromisoformat(birthday), datetime.date.fromisoformat(today)
    return now.year - born.year - ((now.month, now.day) < (born.month, born.day))


@template("判断日期是否有效", "valid date check format yyyy-mm-dd exists 日期 有效 合法 校验")
def is_valid_date(date: str) -> bool:
    """Check whether a text is a valid date in the form YYYY-MM-DD."""
    try:
        datetime.datetime.strptime(date, "%Y-%m-%d")
    except ValueError:
        return False
    return True


@template("年月日是否构成有效日期", "valid date check year month day numbers exists 年 月 日 有效 日期")
def is_valid_calendar_date(year: int, month: int, day: int) -> bool:
    """Check whether year, month and day make a valid date."""
    return 1 <= month <= 12 and 1 <= day <= calendar.monthrange(year, month)[1]


@template("日期改写为日月年", "convert date format yyyy-mm-dd to dd-mm-yyyy reverse order 日期 格式 转换 日月年")
def day_first(date: str) -> str:
    """Convert a date from YYYY-MM-DD to DD-MM-YYYY."""
    return "-".join(reversed(date.split("-")))


@template("日期改写为年月日汉字", "format date chinese year month day 日期 格式 年月日 中文 汉字")
def chinese_date(date: str) -> str:
    """Write an ISO date in the Chinese form, with year, month and day as characters."""
    year, month, day = (int(part) for part in date.split("-"))
    return f"{year}年{month}月{day}日"


@template("秒数转时分秒", "seconds to hours minutes seconds format hh:mm:ss 秒 时分秒 转换 格式")
def format_seconds(seconds: int) -> str:
    """Convert seconds to HH:MM:SS."""
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


@template("时分秒转秒数", "time hh:mm:ss to seconds total convert 时分秒 秒数 转换 总秒数")
def parse_seconds(time: str) -> int:
    """Convert HH:MM:SS (or MM:SS) to seconds."""
    total = 0
    for part in time.split(":"):
        total = total * 60 + int(part)
    return total


@template("两个时刻相差的分钟数", "minutes between two times of day hh:mm difference 时刻 时间 相差 分钟")
def minutes_between(start: str, end: str) -> int:
    """Count the minutes from one time of day (HH:MM) to another, past midnight if earlier."""
    minutes = [int(time.split(":")[0]) * 60 + int(time.split(":")[1]) for time in (start, end)]
    return (minutes[1] - minutes[0]) % (24 * 60)


@template("时刻加上若干分钟", "add minutes to time of day hh:mm clock 时刻 加 分钟 之后")
def add_minutes(time: str, minutes: int) -> str:
    """Add minutes to a time of day (HH:MM)."""
    total = (int(time.split(":")[0]) * 60 + int(time.split(":")[1]) + minutes) % (24 * 60)
    return f"{total // 60:02d}:{total % 60:02d}"


@template("十二小时制转二十四小时制", "convert 12-hour am pm to 24-hour time 十二小时 12小时 24小时 转换 上午 下午")
def to_24_hours(time: str) -> str:
    """Convert a 12-hour time with AM or PM to 24-hour time (HH:MM)."""
    clock, half = time[:-2].strip(), time[-2:].upper()
    hours, minutes = clock.split(":")[:2]
    return f"{int(hours) % 12 + (12 if half == 'PM' else 0):02d}:{minutes}"


@template("日期排序", "sort dates chronologically order 日期 排序 时间顺序")
def sort_dates(dates: list[str]) -> list[str]:
    """Sort dates written as DD-MM-YYYY or DD/MM/YYYY chronologically."""
    return sorted(dates, key=lambda date: date.replace("/", "-").split("-")[::-1])
