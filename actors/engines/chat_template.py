"""What a chat template makes use of: a template that ignores tools would lose them without a word."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True)
class TemplateUse:
    """Whether a template writes the tools on offer, and the calls of tools in messages."""

    tools: bool
    calls: bool


@lru_cache(maxsize=8)
def template_use(template: str) -> TemplateUse:
    """What a Jinja chat template reads."""
    import jinja2
    from jinja2 import meta, nodes

    environment = jinja2.Environment(extensions=["jinja2.ext.loopcontrols"])
    try:
        tree = environment.parse(template)
    except jinja2.TemplateError:  # transformers knows more tags than plain Jinja, such as {% generation %}
        return TemplateUse("tools" in template, "tool_calls" in template)
    read = {found.attr for found in tree.find_all(nodes.Getattr)}
    read |= {found.value for found in tree.find_all(nodes.Const) if isinstance(found.value, str)}
    return TemplateUse("tools" in meta.find_undeclared_variables(tree), "tool_calls" in read)
