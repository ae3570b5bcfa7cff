"""Tokens a byte of rendered prompts, by tokenizer: what the bounds in `prompts/tokens.py` were set from.

    querywise batch export SHOP --all --output REQUESTS.jsonl
    python -m benchmarks.tokens REQUESTS.jsonl ... [--tokenizer NAME=tokenizer.json ...]

Besides the tokenizers that litellm brings along, it counts with any file in the format of the `tokenizers` library.
Prints two Markdown tables: the prompts, and a line about the same goods in each of 18 languages and scripts. *inside*
says whether the count lies between the bounds that `count_tokens` gives for a model that it does not know.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from prompts import CompletionRequest
from prompts.tokens import bundled_encoding, count_tokens

Count = Callable[[list[str]], list[int]]

BUNDLED = ("o200k_base", "cl100k_base", "p50k_base")
LINES = {
    "English": "Wireless mouse with silent clicks, rechargeable, for laptop and tablet. Organic whole milk, rye bread.",
    "German": "Kabellose Maus mit leisen Tasten, für Laptop und Tablet. Hähnchenbrustfilet, Süßkartoffelpüree, Müsli.",
    "French": "Souris sans fil à clics silencieux, rechargeable. Lait entier bio, crème fraîche, pâtes complètes.",
    "Polish": "Bezprzewodowa mysz z cichym klikaniem, ładowana. Pełne mleko ekologiczne, świeża śmietana, żółty ser.",
    "Turkish": "Sessiz tıklamalı şarj edilebilir kablosuz fare. Tam yağlı süt, taze kaşar peyniri, tavuk göğsü.",
    "Vietnamese": "Chuột không dây bấm êm, sạc lại được. Sữa tươi nguyên kem hữu cơ, phô mai, bánh mì lúa mạch đen.",
    "Russian": "Беспроводная мышь с тихими кнопками для ноутбука. Органическое цельное молоко, свежие сливки.",
    "Greek": "Ασύρματο ποντίκι με αθόρυβα κλικ για φορητό υπολογιστή. Βιολογικό πλήρες γάλα, φρέσκια κρέμα.",
    "Hebrew": "עכבר אלחוטי שקט ונטען למחשב נייד ולטאבלט. חלב מלא אורגני, שמנת טרייה, חזה עוף, לחם שיפון.",
    "Arabic": "فأرة لاسلكية بنقرات صامتة قابلة للشحن للحاسوب المحمول. حليب عضوي كامل الدسم، قشطة طازجة، صدر دجاج.",
    "Hindi": "लैपटॉप और टैबलेट के लिए शांत क्लिक वाला वायरलेस माउस। जैविक फुल क्रीम दूध, ताज़ी मलाई, चिकन ब्रेस्ट।",
    "Thai": "เมาส์ไร้สายคลิกเงียบชาร์จได้สำหรับแล็ปท็อปและแท็บเล็ต นมสดออร์แกนิกเต็มมันเนย ครีมสด อกไก่",
    "Japanese": "ノートパソコンとタブレット向けの静音クリック充電式ワイヤレスマウス。有機全乳、生クリーム、鶏むね肉。",
    "Chinese": "适用于笔记本电脑和平板电脑的静音充电无线鼠标。有机全脂牛奶、新鲜奶油、鸡胸肉、黑麦面包。",
    "Korean": "노트북과 태블릿용 저소음 클릭 충전식 무선 마우스. 유기농 전지 우유, 생크림, 닭가슴살, 호밀빵.",
    "Georgian": "უკაბელო მაუსი ჩუმი ღილაკებით ლეპტოპისთვის. ორგანული რძე, ახალი ნაღები, ქათმის მკერდი.",
    "Amharic": "ለላፕቶፕ ገመድ አልባ ማውስ። ኦርጋኒክ ሙሉ ወተት፣ ትኩስ ክሬም፣ የዶሮ ሥጋ፣ የአጃ ዳቦ።",
    "emoji": "🎁🎄🧀🥛🍗🍞🖱️💻👶🏽🐶🎉🛒🍫🥨🧴🪥🧦👟🕯️🧸",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("requests", type=Path, nargs="+")
    parser.add_argument("--tokenizer", action="append", default=[], metavar="NAME=FILE")
    options = parser.parse_args()
    tokenizers = bundled()
    for named in options.tokenizer:
        name, _, file = named.partition("=")
        tokenizers[name] = counting(Tokenizer.from_file(file))
    sys.stdout.write("\n".join([*prompt_table(options.requests, tokenizers), "", *line_table(tokenizers)]) + "\n")


def bundled() -> dict[str, Count]:
    """Return what litellm brings along: three encodings of OpenAI's and a tokenizer of Anthropic's."""
    found: dict[str, Count] = {}
    for name in BUNDLED:
        encoding = bundled_encoding(name)
        if encoding is not None:
            found[name] = lambda texts, kept=encoding: [len(x) for x in kept.encode_ordinary_batch(texts)]
    # Importing litellm's files imports litellm, which else fetches a price list.
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    legacy = files("litellm").joinpath("litellm_core_utils", "tokenizers", "anthropic_tokenizer.json")
    found["anthropic 2023"] = counting(Tokenizer.from_str(legacy.read_text(encoding="utf-8")))
    return found


def counting(tokenizer: Tokenizer) -> Count:
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return lambda texts: [len(encoded.ids) for encoded in tokenizer.encode_batch(texts, add_special_tokens=False)]


def prompt_table(paths: list[Path], tokenizers: dict[str, Count]) -> list[str]:
    """Return tokens a byte of the prompts of each file: least, mean, most."""
    rows = ["| requests | prompts | tokenizer | least | mean | most | inside |", "|---|---|---|---|---|---|---|"]
    for path in paths:
        with path.open(encoding="utf-8") as file:
            prompts = ["\n".join(m["content"] for m in json.loads(line)["body"]["messages"]) for line in file]
        sizes = np.array([len(prompt.encode()) for prompt in prompts])
        for name, count in tokenizers.items():
            counts = np.array(count(prompts))
            figures = f"{(counts / sizes).min():.3f} | {counts.sum() / sizes.sum():.3f} | {(counts / sizes).max():.3f}"
            rows.append(f"| {path.name} | {len(prompts)} | {name} | {figures} | {inside(prompts, counts.sum())} |")
    return rows


def line_table(tokenizers: dict[str, Count]) -> list[str]:
    """Return tokens a byte of the lines, and the names of the tokenizers whose count is not inside the bounds."""
    rows = [f"| line | {' | '.join(tokenizers)} | not inside |", "|---" * (len(tokenizers) + 2) + "|"]
    for language, line in LINES.items():
        counts = {name: count([line])[0] for name, count in tokenizers.items()}
        figures = " | ".join(f"{count / len(line.encode()):.3f}" for count in counts.values())
        outside = [name for name, count in counts.items() if not inside([line], count)]
        rows.append(f"| {language} | {figures} | {', '.join(outside)} |")
    return rows


def inside(texts: list[str], tokens: int) -> bool:
    """Whether a count lies between the bounds for the text alone, without what stands around a message."""
    some = [
        CompletionRequest(model="unknown/model", messages=({"role": "user", "content": t},), schema={}, parameters={})
        for t in texts
    ]
    none = [
        CompletionRequest(model="unknown/model", messages=({"role": "user", "content": ""},), schema={}, parameters={})
        for _ in texts
    ]
    bounds, frame = count_tokens("unknown/model", some), count_tokens("unknown/model", none)
    return bounds.low - frame.low <= tokens <= bounds.high - frame.high


if __name__ == "__main__":
    main()
