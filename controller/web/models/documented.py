"""The base of all models: their fields are described where they are declared."""

from pydantic import BaseModel, ConfigDict


class Documented(BaseModel):
    """A model whose fields take their descriptions from the text below them."""

    model_config = ConfigDict(use_attribute_docstrings=True)


class Strict(Documented):
    """A body that may have only known fields."""

    model_config = ConfigDict(extra="forbid", strict=True)
