"""The English words of hard constraints: short lists of our own, as data."""

from __future__ import annotations

from typing import Final

__all__ = ["ACCESSORIES", "ALLERGENS", "DEVICES", "DIETS", "IMPLIES", "SIZES", "UNITS", "WITHOUT"]

ALLERGENS: Final[dict[str, tuple[str, ...]]] = {
    "gluten": (),
    "wheat": (),
    "dairy": ("milk",),
    "lactose": (),
    "nut": ("nuts", "tree nut", "tree nuts"),
    "peanut": ("peanuts",),
    "egg": ("eggs",),
    "soy": ("soya",),
    "sesame": (),
    "shellfish": (),
    "fish": (),
    "mustard": (),
    "celery": (),
    "sulfite": ("sulfites", "sulphite", "sulphites"),
}
"""What people are allergic to, each with other spellings; a constraint only where the text wants it left out."""

DIETS: Final[dict[str, tuple[str, ...]]] = {
    "organic": (),
    "vegan": ("plant based", "plant-based", "plantbased"),
    "vegetarian": ("meatless", "meat free", "veggie burger", "veggie burgers"),
    "kosher": (),
    "halal": (),
    "keto": ("ketogenic",),
    "paleo": (),
    "low carb": ("low-carb",),
    "low sodium": ("low-sodium", "reduced sodium", "less sodium", "low salt", "lower sodium"),
    "salt free": ("unsalted", "no salt", "no salt added", "saltless"),
    "sugar free": ("sugarless", "zero sugar", "no sugar", "sugarfree", "diet"),
    "unsweetened": ("no sugar added", "no added sugar", "unsweet"),
    "fat free": ("nonfat", "non fat", "non-fat", "fatfree", "skim", "0% fat"),
    "low fat": ("low-fat", "lowfat", "1% milk", "1 percent milk"),
    "reduced fat": ("reduced-fat", "2% milk", "2 percent milk"),
    "caffeine free": ("decaf", "decaffeinated", "caffeine-free"),
    "non gmo": ("non-gmo", "gmo free"),
    "alcohol free": ("non alcoholic", "nonalcoholic", "non-alcoholic", "alcohol-free"),
    "fragrance free": ("unscented", "scent free", "fragrance-free", "scent-free"),
}
"""Diets and the like, each with the words that say the same."""

IMPLIES: Final[dict[str, tuple[str, ...]]] = {
    "vegan": ("vegetarian", "dairy free", "lactose free", "egg free"),
    "dairy free": ("lactose free",),
    "gluten free": ("wheat free",),
    "nut free": ("peanut free",),
    "salt free": ("low sodium",),
    "fat free": ("low fat", "reduced fat"),
    "low fat": ("reduced fat",),
    "keto": ("low carb",),
    "sugar free": ("unsweetened",),
}
"""Which constraint is kept by a stricter one."""

WITHOUT: Final = ("without", "no")
"""Words that ask for the next word to be left out, whatever it is."""

SIZES: Final[dict[str, tuple[str, ...]]] = {"aa": ("double a", "lr6"), "aaa": ("triple a", "lr03")}
"""Sizes that have names of their own."""

UNITS: Final[dict[str, tuple[str, ...]]] = {
    "inch": ("inches", "in", '"', "''"),
    "foot": ("feet", "ft", "'"),
    "mm": ("millimeter", "millimetre"),
    "cm": ("centimeter", "centimetre"),
    "m": ("meter", "metre", "meters", "metres"),
    "ounce": ("ounces", "oz", "fl oz", "fluid ounce", "fluid ounces"),
    "pound": ("pounds", "lb", "lbs"),
    "gram": ("grams", "g", "gr"),
    "kg": ("kilo", "kilogram", "kilograms"),
    "mg": ("milligram", "milligrams"),
    "ml": ("milliliter", "millilitre"),
    "liter": ("liters", "litre", "litres", "l", "lt"),
    "gallon": ("gallons", "gal"),
    "quart": ("quarts", "qt"),
    "pint": ("pints", "pt"),
    "count": ("ct", "pack", "packs", "pk", "pcs", "piece", "pieces"),
    "dozen": (),
    "gb": ("gigabyte", "gigabytes"),
    "tb": ("terabyte", "terabytes"),
    "mb": ("megabyte", "megabytes"),
    "mp": ("megapixel", "megapixels"),
    "mah": (),
    "watt": ("watts", "w"),
    "volt": ("volts", "v"),
    "hz": ("hertz",),
    "ghz": (),
    "port": ("ports",),
    "percent": ("%",),
}
"""Units of measure and count, each with other spellings; no unit is turned into another."""

DEVICES: Final = (
    "airpods",
    "apple watch",
    "chromebook",
    "dyson",
    "fitbit",
    "galaxy",
    "gopro",
    "ipad",
    "iphone",
    "ipod",
    "keurig",
    "kindle",
    "macbook",
    "nespresso",
    "nintendo",
    "pixel",
    "playstation",
    "roku",
    "surface",
    "thinkpad",
    "xbox",
)
"""Devices whose accessories fit nothing else."""

ACCESSORIES: Final = (
    "adapter",
    "adaptor",
    "bag",
    "band",
    "battery",
    "cable",
    "cartridge",
    "case",
    "charger",
    "clip",
    "controller",
    "cover",
    "dock",
    "earbud",
    "filter",
    "game",
    "headset",
    "holder",
    "ink",
    "keyboard",
    "lens",
    "mount",
    "pen",
    "pod",
    "protector",
    "remote",
    "skin",
    "sleeve",
    "stand",
    "strap",
    "stylus",
    "toner",
)
"""Things that are bought to fit a device."""
