"""What goes wrong with tools, in sentences."""


class ToolError(Exception):
    """Raised by a tool to tell the model, in a sentence that it can speak, why there is no result.

    The sentence goes to the model and to the page as it is: no secrets in it, and what to do next.
    """


class ToolDefinitionError(ValueError):
    """A tool is declared wrongly. Raised at import, so that a wrong tool stops the server and not a conversation."""


class CallRefused(Exception):
    """A call ends with this status of ToolCall and this sentence."""

    def __init__(self, status: str, sentence: str):
        super().__init__(sentence)
        self.status = status
