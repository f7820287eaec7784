"""The figures of `make bench-page`, from turns and sounds that are known."""

import numpy as np
import pytest

from tests.load.page_figures import RATE, Reply, Sound, Turn, holes, recording_of, replies, times

MS = RATE // 1000


def speech(seconds: float, seed: int = 1) -> np.ndarray:
    """As loud as speech, with a pause of 50 ms in each half second."""
    samples = np.random.default_rng(seed).uniform(-0.5, 0.5, int(seconds * RATE)).astype(np.float32)
    samples[np.arange(len(samples)) % (RATE // 2) > 450 * MS] = 0
    return samples


def pcm(samples: np.ndarray) -> bytes:
    return (samples * 32768).astype("<i2").tobytes()


def silence(ms: float) -> np.ndarray:
    return np.zeros(int(ms * MS), np.float32)


def turn(arrived: float, *, cut: float | None = None, lead: float = 0, sent: float | None = None) -> Turn:
    found = Turn(cut=cut, sent=sent)
    found.add(arrived, 0, pcm(np.concatenate([silence(lead), speech(1)])))
    return found


def test_what_is_played_as_it_was_sent_has_no_hole():
    sent = speech(3)
    assert list(holes(sent, np.concatenate([sent, silence(200)]))) == []
    assert list(holes(sent, sent[:RATE])) == []


def test_each_pause_that_was_not_sent_is_a_hole():
    sent, first, second = speech(4), RATE + 100, 3 * RATE + 200
    fade = sent[first - 1] * np.linspace(1, 0, 5 * MS, dtype=np.float32)
    played = np.concatenate([sent[:first], fade, silence(80), sent[first:second], silence(30), sent[second:]])
    assert list(holes(sent, played)) == [(first, 85 * MS), (second, 30 * MS)]


def test_a_hole_beside_a_pause_that_was_sent_is_found():
    sent = speech(2)
    pause = 470 * MS  # in the middle of one
    played = np.concatenate([sent[:pause], silence(40), sent[pause:]])
    [(_, length)] = holes(sent, played)
    assert length == 40 * MS


def test_what_does_not_go_on_has_lost_its_rest():
    sent = speech(2)
    played = np.concatenate([sent[:RATE], silence(8000)])
    assert list(holes(sent, played)) == [(RATE, RATE)]


def test_a_hole_at_the_end_of_a_recording_is_as_long_as_it_was_recorded():
    sent = speech(2)
    assert list(holes(sent, np.concatenate([sent[:RATE], silence(12)]))) == [(RATE, 12 * MS)]


def test_other_samples_are_a_place_without_length():
    sent = speech(2)
    played = sent.copy()
    played[RATE + 470 * MS] = 0.3  # a click in a pause
    assert list(holes(sent, played)) == [(RATE + 470 * MS, 0)]


def test_silence_at_the_beginning_of_a_reply_is_not_waited_for():
    sounds = [Sound(1000, 2000, 150.0, 900.0)]
    [reply] = replies([turn(100, lead=20, sent=97.0)], sounds)
    figures = times([reply])
    assert figures["arrived_to_played_ms"]["p50"] == pytest.approx(30)
    assert figures["sent_to_played_ms"]["p50"] == pytest.approx(33)


def test_a_reply_that_begins_while_the_one_before_is_heard_is_left_out():
    sounds = [Sound(0, 2400, 110.0, 1000.0), Sound(3000, 4000, 1020.0, 1500.0)]
    found = replies([turn(100), turn(900)], sounds)
    assert [reply.turn.arrived for reply in found] == [100]


def test_barge_in_lasts_until_the_last_sound_before_the_next_reply():
    sounds = [Sound(0, 10, 110.0, 1004.0), Sound(20, 30, 1030.0, 1035.0), Sound(40, 50, 2010.0, 2400.0)]
    first, second = replies([turn(100, cut=1000.0), turn(2000)], sounds)
    assert first.overran == pytest.approx(35)
    assert second.overran is None


def test_nothing_is_stopped_in_a_pause_of_the_speaker():
    [reply] = replies([turn(100, cut=1000.0)], [Sound(0, 10, 110.0, 900.0)])
    assert reply.overran is None
    assert times([reply])["silence_ms"] == {"n": 0}


def test_the_fade_of_a_reply_that_was_cut_is_no_hole():
    sent = speech(2)
    played = sent[: RATE + 500].copy()
    played[-5 * MS :] *= np.linspace(1, 0, 5 * MS, dtype=np.float32)
    tape = np.concatenate([silence(100), played, silence(100)])
    first = 100 * MS
    cut = Turn(arrived=0.0, cut=50.0, pieces=[pcm(sent)])
    reply = Reply(cut, [Sound(first, first + len(played), 10.0, 60.0)])
    recording = recording_of(reply, lambda start, end: tape[start:end])
    assert len(recording) == len(played) - 10 * MS
    assert list(holes(cut.samples, recording)) == []
