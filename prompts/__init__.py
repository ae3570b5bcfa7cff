"""Everything said to an LLM, and the only folder that knows there is one."""

from prompts.candidates import CandidateFinder, Offer
from prompts.completion import Completion
from prompts.labelling import Failure, FailureClass, label_queries
from prompts.prompt_file import PromptFile, list_prompts, load_prompt
from prompts.providers import Provider, open_provider
from prompts.request import CompletionRequest
from prompts.runner import Account, Runner
from prompts.teacher import Teacher

__all__ = [
    "Account",
    "CandidateFinder",
    "Completion",
    "CompletionRequest",
    "Failure",
    "FailureClass",
    "Offer",
    "PromptFile",
    "Provider",
    "Runner",
    "Teacher",
    "label_queries",
    "list_prompts",
    "load_prompt",
    "open_provider",
]
