"""One line for each figure: ours, the peer's of the same run, the ratio, the budget and whether it is met."""

import operator


def tell(
    what: str,
    ours: float,
    unit: str,
    *,
    peer: float | None = None,
    peer_name: str = "",
    budget: float | None = None,
    more_is_better: bool = False,
    note: str = "",
) -> None:
    """Print a line. The ratio is above 1 where ours is better."""
    ratio = ""
    if peer and ours:
        ratio = f"  {peer_name} {figure(peer)} {unit}, ratio {(ours / peer) if more_is_better else (peer / ours):.1f}"
    kept = ""
    if budget is not None:
        met = (operator.ge if more_is_better else operator.le)(ours, budget)
        kept = f"  budget {'≥' if more_is_better else '≤'} {figure(budget)}: {'met' if met else 'NOT MET'}"
    print(f"{what:54} {figure(ours):>9} {unit}{ratio}{kept}{f'  ({note})' if note else ''}", flush=True)


def figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
