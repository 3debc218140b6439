"""Each filter: what it drops, and what it must leave alone."""

from __future__ import annotations

import pytest

from pipelines.cleaning.config import FilterConfig
from pipelines.cleaning.filters import Rejection, reject
from pipelines.cleaning.keys import comparison_key
from pipelines.cleaning.minhash import shingles
from pipelines.cleaning.quality import quality
from pipelines.cleaning.statistics import TextStatistics, measure

CHINESE = "银行卡丢失后，请先在手机上挂失，然后带着身份证到任意网点补办，大约需要三个工作日。"
TRADITIONAL = "銀行卡遺失後，請先在手機上掛失，然後帶著身分證到任意網點補辦，大約需要三個工作日。"
ENGLISH = "If you lose your card, block it in the app first and then bring your passport to any of our branches."
FRENCH = "La bibliothèque prête aussi des jeux pendant les vacances, et le marché commence à sept heures sur la place."
JAPANESE = "カードをなくしたときは、まずアプリで利用を止めてから、身分証明書を持って窓口へ来てください。"
RUSSIAN = "Если вы потеряли карту, сначала заблокируйте её в приложении, а затем приходите в любое отделение."
ADVERTISEMENT = "【限时特惠】原价 899，现价只要 39，手慢无！加微信 vip123，免费领取资料！点击下方链接立即抢购 >>> http://shop.example.com"
POEM = "床前明月光，疑是地上霜。举头望明月，低头思故乡。这首诗写的是秋夜里旅人想家的心情。"


def _measure(text: str) -> TextStatistics:
    key = comparison_key(text)
    return measure(text, len(key), len(shingles(key)))


def _reject(text: str, **settings: object) -> Rejection | None:
    return reject(text, _measure(text), FilterConfig(**settings))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("好的，收到！", "short"),
        ("★☆◆◇■□▲△●○※→←↑↓" * 5 + CHINESE[:20], "symbols"),
        ("20240101 18:30 3.14159 2718 95588 10086 " * 4 + "以上是数据", "symbols"),
        (CHINESE * 6, "repetition"),
        ("\n".join([CHINESE] * 3), "repetition"),
        ("哈哈哈" * 40, "repetition"),
        (ADVERTISEMENT, "advertisement"),
        (CHINESE.encode("gb18030").decode("utf-8", "replace"), "garbled"),
        (CHINESE.encode().decode("gbk", "replace"), "garbled"),
        (CHINESE.encode("gb18030").decode("utf-8", "replace").encode().decode("gbk", "replace"), "garbled"),
        (ENGLISH, "language"),
        (FRENCH, "language"),
        (JAPANESE, "language"),
        (RUSSIAN, "language"),
    ],
)
def test_rubbish_is_dropped_for_its_reason(text: str, reason: str) -> None:
    rejection = _reject(text)
    assert rejection is not None
    assert rejection.reason == reason
    assert rejection.detail


@pytest.mark.parametrize(
    "text",
    [
        CHINESE,
        TRADITIONAL,
        POEM,
        "苹果公司发布了新款 iPhone 15 Pro，搭载 A17 芯片，起售价 7999 元，支持 5G 网络和 USB-C 接口。",
        "遇到“加微信领红包”“日赚三百”之类的信息要当心，这多半是骗局。正规机构不会要求你转账，也不会索要验证码。"
        "如果已经转账，请立即报警并联系银行冻结账户，同时保存好聊天记录和转账凭证，以便警方调查取证。",
        "生僻字如彧、翀、祎常见于人名，登记时要逐字核对，以免系统里写错，影响后来办理业务。",
    ],
)
def test_ordinary_texts_stay(text: str) -> None:
    assert _reject(text) is None


def test_english_stays_where_it_is_wanted_and_other_latin_does_not() -> None:
    assert _reject(ENGLISH, languages=["zh", "en"]) is None
    assert _reject(FRENCH, languages=["zh", "en"]) is not None
    assert _reject(CHINESE, languages=["en"]) is not None


def test_the_blocklist_ignores_case() -> None:
    rejection = _reject(CHINESE + " Casino", blocklist=["casino"])
    assert rejection is not None
    assert rejection.reason == "blocklist"


def test_limits_are_those_of_the_config() -> None:
    assert _reject(CHINESE, max_characters=30, min_characters=5) is not None
    assert _reject("好的，收到！", min_characters=3) is None
    assert _reject(CHINESE * 6, max_repeated_share=0.95) is None


def test_a_low_quality_score_is_a_reason_when_it_is_asked_for() -> None:
    words = "苹果 香蕉 西瓜 葡萄 草莓 樱桃 荔枝 龙眼 菠萝 芒果 山竹 榴莲"
    assert _reject(words) is None
    score = quality(_measure(words))
    assert 0 < score < quality(_measure(CHINESE))
    assert _reject(words, min_quality=score) is None
    assert _reject(words, min_quality=round(score + 0.01, 2)) == Rejection(
        "quality", f"{score:.2f}, filters.min_quality is {score + 0.01:.2f}"
    )
    assert _reject(CHINESE, min_quality=round(score + 0.01, 2)) is None


def test_the_reason_names_the_key_and_both_numbers() -> None:
    rejection = _reject("好的，收到！")
    assert rejection is not None
    assert rejection.detail == "6 characters, filters.min_characters is 20"


def test_an_empty_text_can_be_measured() -> None:
    statistics = _measure("")
    assert statistics.characters == 0
    assert statistics.share(0) == 0.0
