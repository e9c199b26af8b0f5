"""One plain sentence for each node of an explained rule, in several languages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from progress_worker.domain import sentences_de, sentences_en
from progress_worker.domain.explained_tree import Node
from progress_worker.domain.spoken import Names

#: By language tag. The first one stands in for all others.
SENTENCES: Final[Mapping[str, Callable[[Node, Names], str]]] = {
    "en": sentences_en.sentence,
    "de": sentences_de.sentence,
}
