"""From a requirement to a solution: templates first, then compositions, then the language model."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from actors.engines.protocol import SamplingParams
from actors.sandbox import Sandbox
from danlu.errors import DanluError
from serve_apps.code_generation.composition import compose
from serve_apps.code_generation.config import CodeGenerationConfig
from serve_apps.code_generation.coverage import Coverage
from serve_apps.code_generation.instantiate import from_template
from serve_apps.code_generation.plan import Plan, make_plan
from serve_apps.code_generation.ranking import Candidate, rank
from serve_apps.code_generation.refinement import ChatModel, extract_code, first_prompt, repair_prompt
from serve_apps.code_generation.requirement import Requirement
from serve_apps.code_generation.selection import SURE_WORDS, Choice, best, composed_choice, template_choice
from serve_apps.code_generation.solution import Attempt, Check, Method, Solution
from serve_apps.code_generation.verification import Verdict, verify

_LEAST_WORDS_UNCHECKED = 0.4
_MOST_COMPOSED = 3


@dataclass
class _Work:
    """What is known about one requirement so far."""

    requirement: Requirement
    plan: Plan
    attempts: list[Attempt] = field(default_factory=list)
    problems: list[Check] = field(default_factory=list)

    def note(self, method: Method, name: str, verdict: Verdict) -> None:
        self.attempts.append(Attempt(method=method, name=name, passed=verdict.passed, detail=verdict.problem))


class Solver:
    """Solves requirements; holds the sandbox and, if there is one, the language model."""

    def __init__(self, config: CodeGenerationConfig, sandbox: Sandbox, model: ChatModel | None = None) -> None:
        self.config = config
        self.sandbox = sandbox
        self.model = model

    async def solve(self, requirement: Requirement) -> Solution:
        """The best code that holds all examples; code that could not be checked only when there are none."""
        work = _Work(requirement, await asyncio.to_thread(make_plan, requirement))
        if requirement.examples:
            choice = await self._choose(work)
            if choice is not None:
                verdict = await verify(choice.code, requirement, self.sandbox)
                return _solution(work, choice.code, "template", verdict)
        else:
            code = await asyncio.to_thread(_unchecked_template, work)
            if code:
                return _solution(work, code, "template", await verify(code, requirement, self.sandbox))
        return await self._refine(work)

    async def _choose(self, work: _Work) -> Choice | None:
        """The best template or composition."""
        coverage = Coverage(work.requirement)
        choices: list[Choice] = []
        for candidate in (await asyncio.to_thread(rank, work.requirement, work.plan))[: self.config.max_candidates]:
            code = from_template(candidate.template, candidate.binding, work.requirement.signature)
            verdict = await verify(code, work.requirement, self.sandbox)
            work.note("template", candidate.template.name, verdict)
            if verdict.passed:
                choices.append(template_choice(candidate, code, coverage))
                if candidate.words >= SURE_WORDS:
                    break
        else:
            choices += await self._compose(work, coverage)
        chosen = best(choices)
        if choices and chosen is None:
            detail = f"{choices[0].name} holds the examples, but so few of them could do so by chance: give more"
            work.problems.append(Check(name="evidence", passed=False, detail=detail))
        return chosen

    async def _compose(self, work: _Work, coverage: Coverage) -> list[Choice]:
        if not self.config.search_expressions:
            return []
        found = await asyncio.to_thread(
            compose, work.requirement, self.config.limits, self.sandbox, self.config.search_expressions
        )
        choices = []
        for composed in found[:_MOST_COMPOSED]:
            verdict = await verify(composed.code, work.requirement, self.sandbox)
            work.note("composition", composed.expression, verdict)
            if verdict.passed:
                choices.append(composed_choice(composed, coverage))
        return choices

    async def _refine(self, work: _Work) -> Solution:
        """Ask the language model, with its own error each time it is asked again."""
        if self.model is None:
            return _nothing(work)
        requirement = work.requirement
        messages = first_prompt(requirement, work.plan)
        for attempt in range(self.config.repair_rounds + 1):
            try:
                sampling = SamplingParams(max_tokens=self.config.max_tokens, temperature=0.0)
                answer = (await self.model.chat(messages, sampling)).text
            except DanluError as error:
                work.problems.append(Check(name="model", passed=False, detail=str(error)))
                break
            code = extract_code(answer, requirement.signature.name)
            verdict = await verify(code, requirement, self.sandbox)
            work.note("model", f"{self.model.name}, round {attempt}", verdict)
            if verdict.passed or _only_unchecked(verdict, requirement):
                return _solution(work, code, "model", verdict)
            messages = repair_prompt(messages, answer, verdict.problem)
        return _nothing(work)


def _unchecked_template(work: _Work) -> str:
    """The template that the words name clearly, for a request without examples; empty when there is none."""
    candidates: list[Candidate] = rank(work.requirement, work.plan)[:1]
    if not candidates or candidates[0].words < _LEAST_WORDS_UNCHECKED:
        return ""
    template, signature = candidates[0].template, work.requirement.signature
    if not signature.parameters:  # nothing is known about them: the template's own are as good as any
        signature = signature.model_copy(update={"parameters": template.signature.parameters})
    return from_template(template, candidates[0].binding, signature)


def _only_unchecked(verdict: Verdict, requirement: Requirement) -> bool:
    """Whether nothing is wrong but that there are no examples to run."""
    return not requirement.examples and all(check.passed for check in verdict.checks if check.name != "examples")


def _solution(work: _Work, code: str, origin: str, verdict: Verdict) -> Solution:
    return Solution(
        plan=work.plan,
        code=code,
        origin=origin,  # type: ignore[arg-type]  # pydantic checks it
        outcome="passed" if verdict.passed else "unchecked",
        checks=verdict.checks,
        attempts=tuple(work.attempts),
    )


def _nothing(work: _Work) -> Solution:
    """No code, and why."""
    tried = f"{len(work.attempts)} candidates tried, none holds all examples" if work.attempts else "no candidate fits"
    if not work.requirement.examples:
        tried += "; examples would let smaller pieces be combined and checked"
    checks = (*work.problems, Check(name="examples", passed=False, detail=tried))
    return Solution(
        plan=work.plan, code="", origin="none", outcome="failed", checks=checks, attempts=tuple(work.attempts)
    )
