"""The settings of the service as options of a command line, each declared once, in `Settings`."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from service.settings import Option, Settings

__all__ = ["SettingOption", "add_setting_options", "as_command_line", "setting_options", "settings_from"]


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
        return f"--{self.name.replace('_', '-')}"


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
            parser.add_argument(each.flag, type=_between(kind, each.option), **told)


def settings_from(options: Mapping[str, Any]) -> Settings:
    """Return the settings that parsed options stand for; what is no setting among them is left alone."""
    return Settings(**{each.name: options[each.name] for each in setting_options()})


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


def _plain(annotation: Any) -> Any:
    kinds = [kind for kind in get_args(annotation) if kind is not NoneType]
    return kinds[0] if NoneType in get_args(annotation) else annotation


def _between(kind: Callable[[str], Any], option: Option) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        value = kind(text)
        least, most = option.least, option.most
        # Written so that NaN is refused too.
        if not ((least is None or value >= least) and (most is None or value <= most)):
            raise argparse.ArgumentTypeError(f"{text} is not from {least:g} to {most:g}")
        return value

    read.__name__ = "number"
    return read
