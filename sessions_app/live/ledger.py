"""What a conversation has said and used: saved, and then told to the page."""

import asyncio
import logging
from collections.abc import Callable
from functools import partial

from ..browser import events as page
from .events import TurnEnded, UsageReported
from .limits import Totals
from .ports import Meter, Recorder

logger = logging.getLogger(__name__)


class Ledger:
    """Turns and tokens go to `recorder`, tokens to `meter`, too; `tell` is the page's, whichever page it is by then."""

    def __init__(self, recorder: Recorder, meter: Meter, totals: Totals, tell: Callable[[page.Event], None]):
        self._recorder = recorder
        self._meter = meter
        self._totals = totals
        self._tell = tell

    def turn_ended(self, turn: TurnEnded) -> None:
        """A turn is final for the page once it cannot be lost any more."""
        self._recorder.save_turn(turn).add_done_callback(partial(self._saved, turn))

    def count(self, usage: UsageReported) -> None:
        totals = self._totals
        totals.add(usage)
        self._meter.count(usage)
        counts = {
            "prompt_tokens": totals.prompt,
            "response_tokens": totals.response,
            "total_tokens": totals.total,
        }
        by_modality = dict(totals.by_modality)
        self._recorder.update(**counts, tokens_by_modality=by_modality)
        cost = self._meter.cost(totals)
        self._tell(page.Usage(data=page.UsageData(**counts, by_modality=by_modality, estimated_cost=cost)))

    def _saved(self, turn: TurnEnded, saved: "asyncio.Future[None]") -> None:
        if saved.cancelled():
            return
        if error := saved.exception():
            logger.error("A turn could not be saved: %s", error)
            message = "This part of the conversation could not be saved. Tell the people who run this service."
            self._tell(page.error("not_saved", message))
            return
        for is_user in (True, False):
            self._tell(page.transcription(turn.turn_id, is_user=is_user, is_final=True))
        if turn.lost and not turn.interrupted:
            return  # not over: what was asked is asked again, and answered by a turn to come
        state: page.TurnState = "interrupted" if turn.interrupted else "complete"
        self._tell(page.turn(turn.turn_id, state, turn.time_to_first_audio_ms))
