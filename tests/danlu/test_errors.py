import pickle

from danlu.errors import ConfigError, DanluError


def test_message_holds_what_rule_and_fix() -> None:
    error = ConfigError("workers is 4", rule="the cluster has 2", fix="workers=2")
    assert str(error) == "workers is 4: the cluster has 2\nFix: workers=2"


def test_errors_survive_a_process_border() -> None:
    error = pickle.loads(pickle.dumps(ConfigError("a", rule="b", fix="c")))
    assert isinstance(error, ConfigError) and isinstance(error, DanluError)
    assert (error.what, error.rule, error.fix) == ("a", "b", "c")
