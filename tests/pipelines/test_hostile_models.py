"""A file that would run code when torch loads it is refused, or loaded without what would run."""

import io
import json
import os
import pickle
import warnings
import zipfile

import pytest
import torch
from torch import nn

from data.errors import Damaged
from pipelines.training.models.pt2 import load_exported
from pipelines.training.models.pt2_graph import Unsafe, cleaned

GRAPH = "models/model.json"


class Payload:
    """Unpickling it leaves a file in the current folder."""

    def __reduce__(self):
        return os.mkdir, ("ran",)


CALL = "__import__('os').mkdir('ran')"


def saved(thing):
    buffer = io.BytesIO()
    torch.save(thing, buffer)
    return buffer.getvalue()


@pytest.fixture
def program(workplace):
    """A model with weights, a buffer and a constant, exported; the path of its file and its members."""
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 3)).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dimensions = ({0: torch.export.Dim("batch")},)
        torch.export.save(torch.export.export(model, (torch.rand(2, 1, 4, 4),), dynamic_shapes=dimensions), "m.pt2")
    return workplace / "m.pt2", members_of(workplace / "m.pt2")


def members_of(path):
    with zipfile.ZipFile(path) as archive:
        return {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}


def rewritten(path, members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(f"m/{name}", content)
    return path


def with_graph(path, members, change):
    """Change the graph's JSON in place."""
    graph = json.loads(members[GRAPH])
    change(graph)
    return rewritten(path, {**members, GRAPH: json.dumps(graph).encode()})


def loaded_and_called(path):
    """What our loader and a forward pass do; nothing of it may leave the folder `ran`."""
    try:
        load_exported(path)(torch.rand(2, 1, 4, 4))
    except Damaged as error:
        return str(error)
    return "loaded"


@pytest.mark.parametrize("pickled", [pickle.dumps(Payload()), saved(Payload())], ids=["pickle", "torch.save"])
def test_a_pickle_in_the_place_of_any_member_does_not_run(pickled, program, workplace):
    path, members = program

    for name in members:
        said = loaded_and_called(rewritten(path, {**members, name: pickled}))

        assert not (workplace / "ran").exists(), name
        assert said == "loaded" or str(path) in said, name


@pytest.mark.parametrize(
    "name",
    [
        "data/weights/model.pt",
        "data/constants/model.pt",
        "data/constants/custom_obj_0",
        "data/constants/opaque_obj_0",
        "data/aotinductor/model/model.so",
        "models/other.json",
        "data/executorch/model.pte",
    ],
)
def test_a_member_that_is_neither_graph_nor_tensor_is_refused_by_name(name, program, workplace):
    path, members = program

    said = loaded_and_called(rewritten(path, {**members, name: saved(Payload())}))

    assert f"is refused: it holds {name}, which is neither a graph nor a plain tensor" in said
    assert said.endswith("; nothing of it was run")
    assert ("as an older torch writes" in said) == name.endswith(".pt")
    assert not (workplace / "ran").exists()


@pytest.mark.parametrize("kind", ["weights", "constants"])
def test_a_tensor_that_says_it_is_pickled_is_refused(kind, program, workplace):
    path, members = program
    name, file = f"data/{kind}/model_{kind}_config.json", {"weights": "weight_0", "constants": "opaque_obj_0"}[kind]
    config = {"config": {"0.weight": {"path_name": file, "is_param": True, "use_pickle": True, "tensor_meta": None}}}
    planted = {name: json.dumps(config).encode(), f"data/{kind}/{file}": saved(Payload())}

    said = loaded_and_called(rewritten(path, {**members, **planted}))

    assert "is refused: it holds " in said
    assert not (workplace / "ran").exists()


def test_a_program_of_an_older_torch_is_refused_as_it_is_pickled(program, workplace):
    path, _ = program
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("version", "8.9")
        archive.writestr("serialized_exported_program.json", "{}")
        for name in ("state_dict", "constants", "example_inputs"):
            archive.writestr(f"serialized_{name}.pt", saved(Payload()))

    said = loaded_and_called(path)

    assert "is refused: it holds the pickled tensors of torch 2.7 or older; a newer torch.export.save writes" in said
    assert not (workplace / "ran").exists()


def nodes(graph):
    return graph["graph_module"]["graph"]["nodes"]


def plant_operator(target):
    def change(graph):
        text = {"name": "", "arg": {"as_string": "ran"}, "kind": 1}
        nodes(graph)[0] |= {"target": target, "inputs": [text]}

    return change


def plant_size(graph):
    for meta in graph["graph_module"]["graph"]["tensor_values"].values():
        for size in meta["sizes"]:
            if "as_expr" in size:
                size["as_expr"]["expr_str"] = CALL


def plant_guard(graph):
    graph["guards_code"] = [f"{CALL} or True"]


def plant_name(graph):
    text = json.dumps(graph).replace('"conv2d"', json.dumps(f"a = {CALL}; conv2d"))
    graph.update(json.loads(text))


def plant_container(graph):
    hidden = json.dumps({"__enum__": True, "fqn": "antigravity:x", "name": "y"})
    spec = json.dumps([1, {"type": "builtins.dict", "context": hidden, "children_spec": []}])
    graph["graph_module"]["module_call_graph"][0]["signature"]["in_spec"] = spec


def plant_argument(graph):
    graph["graph_module"]["module_call_graph"][0]["signature"]["forward_arg_names"] = [f"x={CALL}"]


def plant_parameter(graph):
    spec = graph["graph_module"]["signature"]["input_specs"][0]["parameter"]
    spec["parameter_name"] = "__class__.forward"


def plant_object(graph):
    nodes(graph)[0]["inputs"][0]["arg"] = {"as_custom_obj": {"name": "x", "class_fqn": "y"}}


REFUSED = {
    "a function of Python": (plant_operator("torch.os.mkdir"), "the operator 'torch.os.mkdir'"),
    "an operator that opens files": (plant_operator("torch.ops.aten.from_file.default"), "the operator 'torch.ops.at"),
    "a builtin": (plant_operator("_operator.methodcaller"), "the operator '_operator.methodcaller'"),
    "an operator of an extension": (plant_operator("#aoti:x"), "the operator '#aoti:x'"),
    "a size that is code": (plant_size, "the size"),
    "a name that is code": (plant_name, "the name"),
    "an enum of any module": (plant_container, "the container"),
    "an argument that is code": (plant_argument, "the forward_arg_names"),
    "a parameter beyond the module": (plant_parameter, "the parameter_name"),
    "an object of a foreign class": (plant_object, "a as_custom_obj, which is an object of foreign code"),
}


@pytest.mark.parametrize("planted", REFUSED)
def test_a_graph_that_could_run_code_is_refused_and_says_where(planted, program, workplace):
    path, members = program
    change, message = REFUSED[planted]

    said = loaded_and_called(with_graph(path, members, change))

    assert "is refused: it holds " in said
    assert message in said
    assert not (workplace / "ran").exists()


def test_guards_which_torch_executes_are_left_out(program, workplace):
    path, members = program

    said = loaded_and_called(with_graph(path, members, plant_guard))

    assert said == "loaded"
    assert not (workplace / "ran").exists()


def sample_inputs(path, members):
    return rewritten(path, {**members, "data/sample_inputs/model.pt": saved((Payload(),))})


@pytest.mark.parametrize(
    "plant",
    [
        sample_inputs,
        lambda path, members: with_graph(path, members, plant_size),
        lambda path, members: with_graph(path, members, plant_guard),
    ],
    ids=["sample inputs", "size", "guard"],
)
@pytest.mark.filterwarnings("ignore")
def test_torch_itself_does_run_what_is_planted(plant, program, workplace):
    path = plant(*program)

    try:
        torch.export.load(path).module()(torch.rand(2, 1, 4, 4))
    except Exception as error:  # noqa: BLE001  the question is what ran
        print(error)

    assert (workplace / "ran").exists()
    assert loaded_and_called(path) != ""


def test_a_file_twice_in_the_archive_is_refused(program):
    path, members = program
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr(f"m/{GRAPH}", members[GRAPH])

    with pytest.raises(Damaged, match=f"holds m/{GRAPH} twice, or compressed"):
        load_exported(path)


@pytest.mark.parametrize("cut", [0, 10, 0.5, 0.99])
def test_a_file_cut_short_is_no_program(cut, program):
    path, _ = program
    content = path.read_bytes()
    path.write_bytes(content[: int(cut if cut >= 1 else cut * len(content))])

    with pytest.raises(Damaged, match=r"m.pt2 is no torch.export program \(.*\): export the model again"):
        load_exported(path)


@pytest.mark.parametrize("text", ["s0**9**9", "9" * 2000, "s77.real", "'s1'+'x'", "exec(s1)", "lambda: s1", "s1[0]"])
def test_sizes_are_whole_numbers_symbols_and_few_functions(text):
    with pytest.raises(Unsafe, match="the size"):
        cleaned({"expr_str": text})


@pytest.mark.parametrize("text", ["s77", "2*s31 + 1", "Mul(Integer(4), Symbol('s31', positive=True, integer=True))"])
def test_sizes_as_torch_writes_them_pass(text):
    assert cleaned({"expr_str": text}) == {"expr_str": text}


def test_a_program_of_another_device_comes_to_the_cpu():
    assert cleaned({"device": {"type": "cuda", "index": 1}}) == {"device": {"type": "cpu", "index": None}}
