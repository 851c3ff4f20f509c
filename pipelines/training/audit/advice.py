"""What to do next: concrete steps that an audit's figures ask for, with commands to type."""

from collections.abc import Iterator
from dataclasses import replace

from pipelines.training.audit.conclusions import Evidence, weakest
from pipelines.training.audit.figures import Advice

FALLS = 0.9
"""Share of clean accuracy below which it has begun to fall off."""
HARMFUL = 15
"""Points that a corruption of severity 3 must cost to be named."""
WIDE = 8
"""Points: an interval wider than that shows little."""
PAIR = 0.25
"""Share of a class's samples that must become one other class for the two to be named."""
MOST = 5
"""Pieces of advice: nobody does more at once."""


def advice_on(evidence: Evidence) -> list[Advice]:
    """What to do next, the most urgent first; a command stands where it is first needed."""
    if evidence.clueless:
        return [_look_at_the_inputs(evidence)]
    ways = (_distrust, _fix_class, _train, _tell_apart, _augment, _search, _attack_more, _go_further)
    found = [advice for way in ways for advice in way(evidence)][:MOST] or [_nothing(evidence)]
    typed = [advice.command for advice in found]
    return [replace(a, command="") if a.command in typed[:place] else a for place, a in enumerate(found)]


def _look_at_the_inputs(evidence: Evidence) -> Advice:
    return Advice(
        "Check what the model is fed",
        f"{evidence.clean.percent:.1f} % without any attack hardly beats chance. Before all else, look at its input "
        "range (--model.low and --model.high, or --model.mean and --model.std) and the order of its classes "
        "(--model.class_names).",
    )


def _distrust(evidence: Evidence) -> Iterator[Advice]:
    if evidence.trust is None or not evidence.suspicious:
        return
    failed = [check for check in evidence.trust.checks if not check.passed]
    why = " ".join(dict.fromkeys(check.advice or check.reason for check in failed))
    yield Advice("Quote no robust accuracy of this model", why)


def _fix_class(evidence: Evidence) -> Iterator[Advice]:
    main, worst = evidence.norms[0], weakest(evidence.norms[0])
    if worst is not None:
        yield Advice(
            f"Make hard samples, and give class {worst.name} more weight",
            f"Under attack it is right on {worst.robust.percent:.0f} % of class {worst.name}, on "
            f"{main.robust.percent:.0f} % of all. Shards hold checked hard samples of every class, aimed at it.",
            evidence.commands["build" if evidence.brought else "run"],
        )


def _train(evidence: Evidence) -> Iterator[Advice]:
    main, reach = evidence.norms[0], _reach(evidence)
    if reach >= main.epsilon:
        return
    held = f"It keeps nine tenths of its clean accuracy up to {reach:.2g}"
    if not reach:
        held = "It loses more than a tenth of its clean accuracy at once"
    if evidence.brought:
        how = f"Adversarial training at {main.epsilon:.3g}, in your own trainer, on your samples mixed with the shards"
        yield Advice(f"Train adversarially at {evidence.at}", f"{held}. {how}.", evidence.commands["build"])
    elif main.norm == "linf" and evidence.trained_at >= main.epsilon:
        if weakest(main):
            return  # hard samples are advised already
        why = (
            f"{held}, though it was trained adversarially at {evidence.trained_at:.3g}: hard samples are what it lacks."
        )
        yield Advice("Train on hard samples as well", why, evidence.commands["run"])
    else:
        ball = f"--training.ball.epsilon {main.epsilon:.3g}" + (" --training.ball.norm l2" if main.norm == "l2" else "")
        why = f"{held}: it was not trained for this radius."
        yield Advice(f"Train adversarially at {evidence.at}", why, f"{evidence.commands['run']} {ball}")


def _reach(evidence: Evidence) -> float:
    """The largest radius up to which nine tenths of clean accuracy stay; 0 for none."""
    worst, least = evidence.norms[0].worst, FALLS * evidence.clean.percent
    held = (e for e, percent in zip(worst.epsilons, worst.robust, strict=True) if percent >= least)
    return max(held, default=0.0)


def _tell_apart(evidence: Evidence) -> Iterator[Advice]:
    names = evidence.class_names
    pairs = [
        (count / sum(row), count, sum(row), names[label], names[says])
        for label, row in enumerate(evidence.norms[0].confusion)
        for says, count in enumerate(row)
        if says != label and count
    ]
    share, count, of, label, says = max(pairs, default=(0.0, 0, 0, "", ""))
    if share >= PAIR and count >= 3:
        yield Advice(
            f"Look at samples of {label} beside samples of {says}",
            f"{count} of {of} samples of {label} become {says} within {evidence.at}. If people hesitate too, labels "
            "or resolution are at fault, and no training mends that.",
        )


def _augment(evidence: Evidence) -> Iterator[Advice]:
    at_three = {corruption.name.replace("_", " "): corruption.accuracy[2] for corruption in evidence.corruptions}
    harmful = sorted((value, name) for name, value in at_three.items() if value < evidence.clean.percent - HARMFUL)
    if harmful:
        told = ", ".join(f"{name} {value:.0f} %" for value, name in harmful[:3])
        yield Advice(
            f"Add {' and '.join(name for _, name in harmful[:2])} to the training augmentation",
            f"No adversary is needed there: accuracy at severity 3 is {told}; {evidence.clean.percent:.0f} % without.",
        )


def _search(evidence: Evidence) -> Iterator[Advice]:
    found = evidence.latent
    if found is not None and found.errs.percent > found.errs_before.percent + HARMFUL:
        yield Advice(
            "Let judges look at the generator's hard samples",
            f"Latent search raised the model's errors on them from {found.errs_before.percent:.0f} to "
            f"{found.errs.percent:.0f} %. A build keeps those whose label the judges confirm.",
            evidence.commands["build"],
        )


def _attack_more(evidence: Evidence) -> Iterator[Advice]:
    robust = evidence.norms[0].robust
    if robust.high - robust.low > WIDE and evidence.unused:
        yield Advice(
            "Attack more samples before you compare models",
            f"The interval is {robust.high - robust.low:.0f} points wide; the part has {evidence.unused} samples more.",
            f"{evidence.commands['audit']} --audit.samples {min(4 * robust.of, robust.of + evidence.unused)}",
        )


def _go_further(evidence: Evidence) -> Iterator[Advice]:
    main = evidence.norms[0]
    if main.worst.robust[-1] > 50 and not evidence.suspicious:
        yield Advice(
            "Look further out",
            f"At {main.worst.epsilons[-1]:.3g} it is still right on {main.worst.robust[-1]:.0f} %: larger radii show "
            "where that ends.",
            f"{evidence.commands['audit']} --audit.{main.norm} {2 * main.epsilon:.3g}",
        )


def _nothing(evidence: Evidence) -> Advice:
    return Advice(
        "Nothing urgent",
        f"It holds at {evidence.at}, no class stands out, and no figure here asks for a change. Audit the next version "
        "of the model the same way.",
        evidence.commands["audit"],
    )
