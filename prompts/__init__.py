"""Everything said to an LLM, and the only folder that knows there is one."""

from prompts.candidates import CandidateFinder, Offer
from prompts.labelling import Failure, LabelRun, label_queries
from prompts.prompt_file import PromptFile, list_prompts, load_prompt
from prompts.providers import Completion, Provider, open_provider
from prompts.request import CompletionRequest
from prompts.teacher import Teacher

__all__ = [
    "CandidateFinder",
    "Completion",
    "CompletionRequest",
    "Failure",
    "LabelRun",
    "Offer",
    "PromptFile",
    "Provider",
    "Teacher",
    "label_queries",
    "list_prompts",
    "load_prompt",
    "open_provider",
]
