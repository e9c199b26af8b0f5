"""What a learner prefers, to be read back by the learner's app."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta
from starlette.responses import Response

from progress_worker.domain.preferences import Boards
from progress_worker.http.api.fields import Answer, ChosenGame, ChosenGoal, LearnerId, Moment
from progress_worker.http.asking import USER_ID, Asked, of_learner
from progress_worker.http.endpoints import Endpoint
from progress_worker.storage.read.views import PreferencesView


class PreferencesAnswer(Answer, frozen=True, kw_only=True):
    """All that the learner prefers; what was never set is the default."""

    user_id: LearnerId
    revision: Annotated[
        int | None,
        Meta(description="The revision that counts; null if none was ever set.", examples=[1]),
    ]
    issued_at: Annotated[
        Moment | None, Meta(description="When the learner chose; null if that never was.")
    ]
    boards: Annotated[
        Boards,
        Meta(
            description="How boards show the learner. `named` without a display name counts as "
            "`anonymous`."
        ),
    ]
    display_name: Annotated[
        str | None, Meta(description="The name on boards; null without one.", examples=["Ana"])
    ]
    gamification: ChosenGame
    goal: Annotated[
        ChosenGoal | None, Meta(description="What the learner wants to reach; null without one.")
    ]


def present_preferences(view: PreferencesView, user_id: str) -> PreferencesAnswer:
    """What the learner prefers, or the defaults."""
    chosen = view.preference
    if chosen is None:
        return PreferencesAnswer(
            user_id=user_id,
            revision=None,
            issued_at=None,
            boards="anonymous",
            display_name=None,
            gamification="on",
            goal=None,
        )
    goal = chosen.goal and ChosenGoal(**chosen.goal._asdict())
    return PreferencesAnswer(user_id=user_id, **chosen._asdict() | {"goal": goal})


async def preferences(question: Asked) -> Response:
    """What the learner prefers: boards, display name, gamification and goal."""
    return await question.answer(
        lambda reads: reads.preferences(question.user_id),
        lambda found: present_preferences(found, question.user_id),
    )


ENDPOINTS: Final = (
    Endpoint(
        "/api/progress/preferences",
        of_learner(preferences),
        tag="progress",
        answer=PreferencesAnswer,
        parameters=(USER_ID,),
        needs_token=True,
    ),
)
