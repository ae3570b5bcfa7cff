"""The settings of the service as options of a command line, each declared once, in `Settings`."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import NoneType
from typing import Any, Final, Literal, get_args, get_origin, get_type_hints

from domain.errors import UserError
from service.settings import Option, Settings

__all__ = [
    "SettingOption",
    "add_setting_options",
    "as_command_line",
    "between",
    "check_together",
    "setting_options",
    "settings_from",
]

_NEEDS: Final = {
    "rate": ("keys", "rate_by_address"),
    "rate_burst": ("rate",),
    "rate_by_address": ("rate",),
    "share": ("other",),
    "shadow": ("other",),
}
"""Settings that do nothing unless one of others is set too."""


@dataclass(frozen=True, kw_only=True)
class SettingOption:
    """A setting that is an option.

    Attributes:
        name: Of the field of `Settings`.
        type: Its annotation.
        default: Its default.
        option: How it reads.
    """

    name: str
    type: Any
    default: Any
    option: Option

    @property
    def flag(self) -> str:
        """As it is typed."""
        return _flag(self.name)


def setting_options() -> list[SettingOption]:
    """Return the settings that are options, in their order."""
    types = get_type_hints(Settings)
    return [
        SettingOption(name=field.name, type=types[field.name], default=field.default, option=field.metadata["option"])
        for field in dataclasses.fields(Settings)
        if "option" in field.metadata
    ]


def add_setting_options(parser: argparse.ArgumentParser) -> None:
    """Add an option for each setting."""
    for each in setting_options():
        kind = _plain(each.type)
        told: dict[str, Any] = {"default": each.default, "help": each.option.help, "dest": each.name}
        if kind is bool:
            parser.add_argument(each.flag, action=argparse.BooleanOptionalAction, **told)
        elif get_origin(kind) is Literal:
            parser.add_argument(each.flag, choices=get_args(kind), **told)
        else:
            parser.add_argument(each.flag, type=between(kind, each.option.least, each.option.most), **told)


def settings_from(options: Mapping[str, Any]) -> Settings:
    """Return the settings that parsed options stand for; what is no setting among them is left alone."""
    return Settings(**{each.name: options[each.name] for each in setting_options()})


def check_together(settings: Settings) -> None:
    """Make sure that no setting is there for nothing.

    Raises:
        UserError: one does nothing without another, which is not set.
    """
    given = {each.name for each in setting_options() if getattr(settings, each.name) != each.default}
    for name, needed in _NEEDS.items():
        if name in given and given.isdisjoint(needed):
            others = " or ".join(map(_flag, needed))
            hint = f"pass {others} too, or leave {_flag(name)} out"
            raise UserError(f"{_flag(name)} does nothing without {others}", hint=hint)


def as_command_line(options: Mapping[str, Any]) -> Sequence[str]:
    """Return the arguments that say the same again, without what is as it would be anyhow."""
    arguments: list[str] = []
    for each in setting_options():
        value = options[each.name]
        if value == each.default:
            continue
        if isinstance(value, bool):
            arguments.append(each.flag if value else each.flag.replace("--", "--no-", 1))
        else:
            arguments.append(f"{each.flag}={value}")
    return arguments


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _plain(annotation: Any) -> Any:
    kinds = [kind for kind in get_args(annotation) if kind is not NoneType]
    return kinds[0] if NoneType in get_args(annotation) else annotation


def between(kind: Callable[[str], Any], least: float | None, most: float | None) -> Callable[[str], Any]:
    """Return what argparse reads a number with; None is no bound."""

    def read(text: str) -> Any:
        value = kind(text)
        # Written so that NaN is refused too.
        if not ((least is None or value >= least) and (most is None or value <= most)):
            raise argparse.ArgumentTypeError(f"{text} is not from {least:g} to {most:g}")
        return value

    read.__name__ = "number"
    return read
