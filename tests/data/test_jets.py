"""Jets in the published HDF5 layout, and files that are not in it."""

import numpy as np
import pytest
import torch

from cliffnet.data import load_jets
from cliffnet.errors import DataError, TaskError

h5py = pytest.importorskip("h5py")


def make_arrays(jets, room=8, longest=6, seed=0):
    generator = np.random.default_rng(seed)
    counts = generator.integers(1, longest, size=jets)
    counts[0] = longest
    momenta = generator.normal(size=(jets, room, 4)) * 10
    momenta[..., 0] = 1 + np.linalg.norm(momenta[..., 1:], axis=-1)
    momenta[np.arange(room) >= counts[:, None]] = 0
    return {
        "Pmu": momenta,
        "Nobj": counts,
        "is_signal": generator.integers(0, 2, size=jets),
        "label": np.arange(room) < counts[:, None],
    }


def write(path, arrays):
    path.parent.mkdir(exist_ok=True, parents=True)
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file[name] = array
    return arrays


@pytest.fixture
def folder(tmp_path):
    for seed, (name, jets) in enumerate({"train": 25, "val": 10, "test": 12}.items()):
        write(tmp_path / f"{name}.h5", make_arrays(jets, seed=seed))
    return tmp_path


def test_every_jet_of_the_file_is_read_in_order(folder):
    counts = []
    data = load_jets(folder, "train", dtype=torch.float64, progress=counts.append)
    arrays = make_arrays(25)
    assert sum(counts) == 25  # the last jet too
    assert torch.equal(data["momenta"], torch.from_numpy(arrays["Pmu"][:, :6]))  # slots nobody needs are dropped
    assert torch.equal(data["mask"].sum(1), torch.from_numpy(arrays["Nobj"]))
    assert torch.equal(data["target"], torch.from_numpy(arrays["is_signal"]))
    assert not data["beam"].any()
    assert load_jets(folder, "eval")["momenta"].shape == (12, 6, 4)
    assert load_jets(folder, "eval")["momenta"].dtype == torch.float32


def test_the_first_jets_and_no_more_than_there_are(folder):
    few = load_jets(folder, "val", 3)
    assert torch.equal(few["momenta"], load_jets(folder, "val", 1000)["momenta"][:3])
    assert load_jets(folder / "val.h5", "train")["target"].shape == (10,)


def test_beams_come_first(folder):
    plain, with_beams = load_jets(folder, "val"), load_jets(folder, "val", beams=True)
    root = 2**0.5
    beams = torch.tensor([[root, 0, 0, 1], [root, 0, 0, -1]])
    torch.testing.assert_close(with_beams["momenta"][:, :2], beams.expand(10, 2, 4))
    assert torch.equal(with_beams["momenta"][:, 2:], plain["momenta"])
    assert with_beams["beam"][:, :2].all()
    assert with_beams["beam"].sum() == 20
    assert with_beams["mask"][:, :2].all()
    assert torch.equal(with_beams["mask"][:, 2:], plain["mask"])


def without(key):
    return lambda arrays: arrays.pop(key)


def changed(key, change):
    return lambda arrays: arrays.__setitem__(key, change(arrays[key]))


def first_set(value):
    def change(array):
        array = array.astype(float)
        array.flat[0] = value
        return array

    return change


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (without("Pmu"), "no array Pmu"),
        (without("is_signal"), "no array is_signal"),
        (changed("Pmu", lambda array: array[..., :3]), r"Pmu of shape \(10, 8, 3\)"),
        (changed("Pmu", lambda array: array[0]), r"Pmu of shape \(8, 4\)"),
        (changed("Nobj", lambda array: array[:-1]), "different lengths"),
        (changed("Nobj", lambda array: array + 30), "Nobj between"),
        (changed("Pmu", first_set(np.nan)), "not finite"),
        (changed("is_signal", lambda array: array + 1), "instead of 0 and 1"),
        (lambda arrays: arrays.update({key: array[:0] for key, array in arrays.items()}), "0 jets to read"),
    ],
)
def test_malformed_file_says_what_was_expected_and_where_it_comes_from(tmp_path, damage, message):
    arrays = make_arrays(10)
    damage(arrays)
    write(tmp_path / "val.h5", arrays)
    with pytest.raises(DataError, match=f"{message}.*Kasieczka.*zenodo.*2603256.*LorentzNet.*is_signal"):
        load_jets(tmp_path, "val")


def test_missing_and_foreign_files(folder, tmp_path):
    with pytest.raises(DataError, match=r"there is nothing at .*nowhere; the data are the top quark"):
        load_jets(folder / "nowhere", "train")
    (folder / "train.h5").write_text("this is no HDF5 file")
    with pytest.raises(DataError, match=r"cannot be read as HDF5.*zenodo"):
        load_jets(folder, "train")
    (folder / "val.h5").rename(folder / "other.h5")
    with pytest.raises(DataError, match=r"has no file val.h5, but other.h5, test.h5, train.h5"):
        load_jets(folder, "val")
    write(folder / "test_2.h5", make_arrays(3))
    with pytest.raises(DataError, match=r"several files for 'test': test.h5, test_2.h5"):
        load_jets(folder, "eval")
    with pytest.raises(TaskError, match="no set of jets called 'test'"):
        load_jets(folder, "test")
