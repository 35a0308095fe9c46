"""The experiment file: each error is reported in one clear line."""

import pytest

from runner.experiment import Experiment, ExperimentError, load_experiment

GOOD = "design: {one_at_a_time: all}\n"


def load(tmp_path, text, overrides=()):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    return load_experiment(path, overrides)


def test_defaults_and_name_from_the_file(tmp_path):
    experiment = load(tmp_path, GOOD)
    assert experiment.name == "mine" and experiment.seeds == [0, 1, 2, 3, 4, 5]


def test_numbers_with_exponents_are_numbers(tmp_path):
    """YAML 1.1 reads 1e-3 as a string."""
    assert load(tmp_path, GOOD + "training: {learning_rate: 1e-3}\n").training.learning_rate == 1e-3


def test_overrides(tmp_path):
    experiment = load(tmp_path, GOOD, ["training.steps=7", "seeds=3", "loss.near_weight=2"])
    assert (experiment.training.steps, experiment.seeds, experiment.loss) == (7, [0, 1, 2], {"near_weight": 2.0})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("design: {one_at_a_time: ['5-9']}", ["unknown fix '5-9'", "known fixes", "5-2"]),
        ("design: {explicit: {x: ['1-1', 'foo']}}", ["unknown fix 'foo'"]),
        ("design: {one_at_a_tme: all}", ["design.one_at_a_tme", "did you mean 'one_at_a_time'"]),
        (GOOD + "traning: {steps: 3}", ["'traning'", "did you mean 'training'"]),
        (GOOD + "training: {steps: -5}", ["training.steps", "-5", "greater than or equal to 1"]),
        (GOOD + "training: {steps: many}", ["training.steps", "'many'"]),
        (GOOD + "training: {steps: 1.5}", ["training.steps", "1.5"]),
        (GOOD + "training: {learning_rate: .nan}", ["training.learning_rate"]),
        (GOOD + "training: {warmup: 0.6}", ["training.warmup", "less than or equal to 0.5"]),
        (GOOD + "training: {schedule: linear}", ["training.schedule", "'cosine', 'constant' or 'step'"]),
        (GOOD + "training: {flip: vertical}", ["training.flip", "boolean"]),
        (GOOD + "data: {height: 30}", ["data.height", "multiple of 16"]),
        (GOOD + "data: {folder: there}", ["depth_scale", "never guessed"]),
        (GOOD + "seeds: 0", ["seeds", "from 1 to 10,000"]),
        (GOOD + "seeds: [1, 1]", ["seeds", "different"]),
        (GOOD + "loss: {near_wieght: 3}", ["near_wieght", "did you mean 'near_weight'"]),
        (GOOD + "loss: {near_weight: -1}", ["near_weight", "greater than 0"]),
        (GOOD + "device: gpu", ["device", "gpu"]),
        (GOOD + "name: ../escape", ["name", "../escape"]),
        (GOOD + "seeds: [36893488147419103232]", ["seeds", "2**63"]),
        (GOOD + "data: {folder: there, depth_scale: 1000, lidar: true}", ["lidar"]),
        ("design: {explicit: {x: ['1-2', '10-1']}}", ["x: fixes 1-2 and 10-1 clash"]),
        ("design: {}", ["design", "empty"]),
        ("design: {cartesian: [11]}", ["no issue 11"]),
        ("seeds: 3", ["design is missing"]),
        ("- a list", ["a mapping is needed"]),
        ("design: {one_at_a_time: all", ["not valid YAML", "line"]),
        ("design: {leave_one_out: true}\ndesign: {leave_one_out: true}", ["given twice"]),
    ],
)
def test_bad_input_is_one_clear_line(tmp_path, text, said):
    with pytest.raises(ExperimentError) as error:
        load(tmp_path, text)
    message = str(error.value)
    assert "\n" not in message and "mine.yaml" in message
    for part in said:
        assert part in message


def test_all_errors_at_once(tmp_path):
    with pytest.raises(ExperimentError) as error:
        load(tmp_path, GOOD + "training: {steps: -5, batch: 0}\nsedes: 3\n")
    assert len(str(error.value).splitlines()) == 3


def test_missing_file(tmp_path):
    with pytest.raises(ExperimentError, match=r"nowhere.yaml: cannot be read \(No such file"):
        load_experiment(tmp_path / "nowhere.yaml")


@pytest.mark.parametrize("override", ["training.steps", "=3", "training..steps=3", "training.steps=[1", "training.steps.x=3"])
def test_bad_overrides(tmp_path, override):
    with pytest.raises(ExperimentError) as error:
        load(tmp_path, GOOD + "training: {steps: 2}\n", [override])
    assert "\n" not in str(error.value)


def test_the_sections_of_the_experiment():
    assert set(Experiment.model_fields) >= {
        "name",
        "design",
        "seeds",
        "data",
        "training",
        "model",
        "loss",
        "device",
        "tracking",
    }
