from sessions_app.live.memory import Memory

Q, A = ("user", "question"), ("model", "answer")


def test_a_resumed_connection_is_told_what_its_handle_does_not_know():
    memory = Memory()
    for role, text in (Q, A):
        memory.add(role, text)
    assert not memory.complete
    memory.handle_renewed()
    assert memory.complete
    assert memory.unknown_to(resumed=True, repeated=False) == []
    memory.add("user", "again")
    assert memory.unknown_to(resumed=True, repeated=False) == [("user", "again")]
    assert memory.unknown_to(resumed=False, repeated=False) == [Q, A, ("user", "again")]


def test_a_question_that_is_said_again_by_itself_is_not_told():
    memory = Memory([Q, A, ("user", "unanswered")])
    assert memory.unknown_to(resumed=False, repeated=True) == [Q, A]


def test_the_oldest_is_forgotten():
    memory = Memory([("user", str(number)) for number in range(60)], unknown=60, limit=50)
    assert len(memory) == 50
    assert memory.unknown_to(resumed=True, repeated=False)[0] == ("user", "10")
