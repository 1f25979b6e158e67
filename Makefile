# The two commands of a newcomer are `make demo` and `make test`.
PYTHON ?= python3
VENV ?= .venv
DEMO ?= demo
BIN := $(VENV)/bin
RUN := $(BIN)/python -m

.PHONY: demo test check docs format clean
.DELETE_ON_ERROR:

# Everything pinned, and the project itself, editable.
$(VENV)/.installed: requirements.txt setup.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -r requirements.txt -e ".[dev]"
	touch $@

# Draws people, trains both stages on them, scores, shows and exports the model.
demo: $(VENV)/.installed
	$(RUN) preprocessing.build --source=synthetic --identities=2000 \
	  --images_per_identity=10 --same_background --image_size=64x32 \
	  --out=$(DEMO)/data --overwrite
	$(RUN) pg2_tf.train --dataset=demo --stage=1 --precision=auto \
	  --data_dir=$(DEMO)/data --run_dir=$(DEMO)/run
	$(RUN) pg2_tf.train --dataset=demo --stage=2 --precision=auto \
	  --data_dir=$(DEMO)/data --run_dir=$(DEMO)/run
	$(RUN) pg2_tf.evaluate --run_dir=$(DEMO)/run --data_dir=$(DEMO)/data \
	  --num_pairs=200 --out=$(DEMO)/evaluation
	$(RUN) pg2_tf.export --run_dir=$(DEMO)/run --out=exported/demo --version=1 --overwrite
	@echo
	@echo "data set      $(DEMO)/data"
	@echo "run folder    $(DEMO)/run"
	@echo "scores        $(DEMO)/evaluation/scores.json"
	@echo "picture sheet $(DEMO)/evaluation/sheet.png"
	@echo "SavedModel    exported/demo/1"

# Three processes: Keras keeps one graph of every `fit`, so one process would reach 4 GB.
test: $(VENV)/.installed
	$(RUN) pytest --durations=5 --numprocesses=3 --dist=loadfile

# Format, lint, types of the public surface, and the direction of imports.
check: $(VENV)/.installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy pg2_tf preprocessing
	$(RUN) pytest -q tests/test_pg2_tf_imports.py

# The pages, with every warning an error.
docs: $(VENV)/.installed
	$(BIN)/mkdocs build --strict --quiet --site-dir=build/site

format: $(VENV)/.installed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) $(DEMO) exported/demo
