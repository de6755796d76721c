"""Which way is better for a metric, by its name.

Errors, losses and times get better downwards: that is the rule. The exceptions are named here, and
match a whole word of the last part of the key: `dev/token_accuracy`, `val_f1`, `test-clean_stoi`.
"""

from __future__ import annotations

import re
from functools import lru_cache

_HIGHER = (
    "acc accuracy top1 top5 precision recall f1 f2 auc auroc map ap r2 bleu chrf rouge bertscore "
    "mos utmos dnsmos pesq stoi estoi snr sisnr sdr sisdr similarity correct likelihood ll "
    "reward score throughput speed speedup coverage agreement kappa tpr tnr tar cmos "
    "atwv mtwv otwv stwv"
)
HIGHER_IS_BETTER = frozenset(_HIGHER.split())
_WORDS = re.compile(r"[a-z]+[0-9]*|[0-9]+")


@lru_cache(maxsize=4096)
def higher_is_better(key: str) -> bool:
    """True for accuracies, F-scores, opinion scores …; False for everything else."""
    words = _WORDS.findall(key.lower().rsplit("/", 1)[-1].replace("si-s", "sis"))
    return not {"error", "loss", "time"} & set(words) and not HIGHER_IS_BETTER.isdisjoint(words)
