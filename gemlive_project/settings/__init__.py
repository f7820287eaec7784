"""Every setting, read from the environment (and from `.env`) here and nowhere else.

The README's table describes each variable; a test keeps the two equal.
"""

from .access import *  # noqa: F403
from .application import *  # noqa: F403
from .conversations import *  # noqa: F403
from .environment import *  # noqa: F403
from .gemini import *  # noqa: F403
from .headers import *  # noqa: F403
from .rest import *  # noqa: F403
from .tools import *  # noqa: F403
from .watching import *  # noqa: F403
