"""Who may import whom, read from the source; and habits of the public functions."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]
ENTRY_POINTS = {
    f"pg2_tf.{name}"
    for name in (
        *("train", "evaluate", "generate", "export", "import_authors", "benchmark"),
        *("client", "demo", "one_person", "figures", "reproduce", "user_study"),
        "train_jax",
    )
}
# Networks, losses and metrics know nothing of files, training or serving.
PURE = ("model", "evaluation.metrics", "data.ranges")
# Metrics that are networks, or look through one: they read what others trained.
LOADED = {
    f"pg2_tf.evaluation.metrics.{name}"
    for name in (
        "inception",
        "lpips",
        "pose_accuracy",
    )
}
NETWORKS = [
    f"pg2_tf.model.{name}"
    for name in (
        *("blocks", "discriminator", "generator1", "generator2"),
        *("networks", "pose_embeddings"),
    )
]
PROJECT = ("pg2_tf", "preprocessing")


def module_name(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(tree):
    """Yields the full names that a module imports, wherever in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "relative import"
            for alias in node.names:
                assert alias.name != "*"
                full = f"{node.module}.{alias.name}"
                yield full if full in TREES else node.module


PATHS = {
    module_name(path): path
    for package in PROJECT
    for path in sorted((ROOT / package).rglob("*.py"))
}
TREES = {name: ast.parse(path.read_text("utf-8")) for name, path in PATHS.items()}
IMPORTS = {name: set(imports_of(tree)) for name, tree in TREES.items()}


def within(name, packages):
    return any(name == p or name.startswith(p + ".") for p in packages)


def modules_within(packages):
    """Returns the modules in packages, without the packages' own, empty ones."""
    inside = {name for name in TREES if within(name, packages)}
    return {name for name in inside if PATHS[name].name != "__init__.py"}


def assert_never(importers, imported):
    found = {
        (name, other)
        for name, others in IMPORTS.items()
        if within(name, importers)
        for other in others
        if within(other, imported)
    }
    assert not found


def test_preprocessing_does_not_know_the_networks():
    assert_never(["preprocessing"], ["pg2_tf", "keras"])


def test_pure_modules_know_neither_data_nor_training_nor_serving():
    above = {
        name
        for name in TREES
        if within(name, ["pg2_tf"])
        and not within(name, [f"pg2_tf.{part}" for part in PURE])
        and name not in ("pg2_tf", "pg2_tf.data", "pg2_tf.evaluation")
    }
    assert {"pg2_tf.training.loop", "pg2_tf.data.pipeline", "pg2_tf.export"} <= above
    packages = [f"pg2_tf.{part}" for part in PURE]
    assert_never(packages, above)
    modules = modules_within(packages)
    assert modules > LOADED
    assert_never(modules - LOADED, {"preprocessing", *LOADED})


def test_networks_and_losses_do_not_need_tensorflow():
    packages = [f"pg2_tf.{part}" for part in PURE]
    # The Inception of 2015 is a graph of TensorFlow.
    graph = {"pg2_tf.evaluation.metrics.inception"}
    assert_never(modules_within(packages) - graph, ["tensorflow"])


def test_losses_and_configuration_know_nobody():
    for name in ("losses", "config"):
        imports = IMPORTS[f"pg2_tf.model.{name}"]
        assert not {n for n in imports if within(n, PROJECT)}


def test_nobody_imports_an_entry_point():
    assert set(TREES) >= ENTRY_POINTS
    assert_never(PROJECT, ENTRY_POINTS | {"preprocessing.build"})


def test_steps_receive_networks_and_batches():
    """Neither the algorithm nor its updates know files, data or whole models."""
    known = {f"pg2_tf.model.{n}" for n in ("losses", "config", "discriminator")}
    known |= {"pg2_tf.model.steps", "pg2_tf.training.learning_rates"}
    for name in ("pg2_tf.model.steps", "pg2_tf.training.updates"):
        assert {n for n in IMPORTS[name] if within(n, PROJECT)} <= known


def room(name):
    """Returns the package just below the top that a module is in, or the module."""
    top, *rest = name.split(".")
    in_package = len(rest) > 1 or PATHS[name].name == "__init__.py"
    return f"{top}.{rest[0]}" if rest and in_package else name


def assert_one_way(imports):
    done, under_way = set(), []

    def visit(name):
        assert name not in under_way, f"cycle: {[*under_way, name]}"
        if name in done:
            return
        under_way.append(name)
        for other in sorted(imports[name]):
            visit(other)
        under_way.pop()
        done.add(name)

    for name in imports:
        visit(name)


def test_imports_run_one_way():
    assert_one_way({name: IMPORTS[name] & set(TREES) for name in TREES})


def test_no_package_imports_back():
    rooms = {room(name): set() for name in TREES}
    for name in TREES:
        others = {room(other) for other in IMPORTS[name] & set(TREES)}
        rooms[room(name)] |= others - {room(name)}
    assert_one_way(rooms)


def public_definitions():
    for name, tree in TREES.items():
        for node in tree.body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                yield name, node
                if isinstance(node, ast.ClassDef):
                    yield from ((f"{name}.{node.name}", part) for part in node.body)


def test_public_functions_and_classes_have_docstrings():
    for where, node in public_definitions():
        if not isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            continue
        # Keras describes these.
        if node.name.startswith("_") or node.name in (
            *("call", "compile_from_config", "compute_output_shape", "from_config"),
            *("get_compile_config", "get_config"),
        ):
            continue
        assert ast.get_docstring(node), f"{where}.{node.name}"
    assert all(
        ast.get_docstring(tree)
        for name, tree in TREES.items()
        if PATHS[name].read_text("utf-8").strip()
    )


def test_networks_take_their_options_by_keyword():
    for name, tree in TREES.items():
        if not within(
            name,
            [*NETWORKS, "pg2_tf.evaluation.metrics", "preprocessing.images.heatmaps"],
        ):
            continue
        for node in tree.body:
            if isinstance(node, ast.FunctionDef):
                assert not node.args.defaults, f"{name}.{node.name}"
