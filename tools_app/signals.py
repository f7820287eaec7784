"""What others may want to know of tools and of the database's writer, for metrics and quotas: rare, told at the end.

`call_ended(name, status, seconds)`: a call has its outcome. `writes_ended(saved, lost)`: `saved` is a list of the
seconds that each write waited for its commit, `lost` the number of those that were given up. Told in whichever thread.

`tokens_used(model, usage, session_id, user_id)`: a tool has asked a model by itself. `usage` is the tokens of the
prompt, of the answer, and of all, thoughts too. Told in a thread that may use the database.
"""

from django.dispatch import Signal

call_ended = Signal()
writes_ended = Signal()
tokens_used = Signal()
