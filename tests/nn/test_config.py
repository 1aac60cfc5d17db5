import dataclasses

import pytest

from cliffnet.errors import ConfigError
from cliffnet.nn import BlockConfig, Compatibility, MLPConfig, SelfAttentionConfig


def test_cast_from_none_dict_and_instance():
    assert SelfAttentionConfig.cast(None) == SelfAttentionConfig()
    config = SelfAttentionConfig.cast({"num_heads": 4, "dropout_probability": "none"})
    assert config.num_heads == 4
    assert config.dropout_probability is None
    assert SelfAttentionConfig.cast(config) is config


@pytest.mark.parametrize(
    "config", [SelfAttentionConfig(num_heads=3), MLPConfig("relu", 0.1), Compatibility(mixed_gelu=True)]
)
def test_json_round_trip(config):
    assert type(config).from_json(config.to_json()) == config
    assert type(config).cast(config.to_dict()) == config


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_head": 4}, "did you mean 'num_heads'"),
        ({"num_heads": 0}, "at least 1"),
        ({"num_heads": 2.0}, "whole number"),
        ({"multi_query": 1}, "True or False"),
        ({"normalizer_epsilon": 0}, "positive"),
        ({"dropout_probability": 1.0}, "0 <= p < 1"),
        ({"output_initialization": "tiny"}, "choose one of"),
        (3, "give a dict"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(ConfigError, match=message):
        SelfAttentionConfig.cast(options)


def test_json_errors_and_mlp_activation():
    with pytest.raises(ConfigError, match="not JSON"):
        MLPConfig.from_json("{")
    with pytest.raises(ConfigError, match="did you mean 'gelu'"):
        MLPConfig(activation="glu")


def test_head_sizes():
    config = SelfAttentionConfig(num_heads=8)
    assert (config.hidden_mv_channels(16), config.hidden_scalar_channels(128)) == (4, 32)
    assert (config.hidden_mv_channels(2), config.hidden_scalar_channels(3)) == (1, 4)
    assert config.hidden_scalar_channels(None) is None
    rotary = SelfAttentionConfig(num_heads=2, positional_encoding=True)
    assert [rotary.hidden_scalar_channels(count) for count in (3, 8, 9)] == [8, 8, 10]


def test_compatibility_presets():
    assert not any(dataclasses.asdict(Compatibility.cast("none")).values())
    switched = [
        {name for name, on in dataclasses.asdict(Compatibility.cast(preset)).items() if on}
        for preset in ("gatr-1.4.3", "cgenn", "glgenn")
    ]
    assert switched[0].isdisjoint(switched[1])
    assert switched[0] | switched[1] == {field.name for field in dataclasses.fields(Compatibility)}
    assert switched[2] == {"norm_of_coefficients"}
    with pytest.raises(ConfigError, match=r"gatr-1\.4\.3"):
        Compatibility.cast("gatr-1.4")
    with pytest.raises(ConfigError, match="True or False"):
        Compatibility(mixed_gelu="yes")


def test_block_presets_and_refusals():
    assert BlockConfig.cast("cgenn") == BlockConfig.cast(None) == BlockConfig()
    glgenn = BlockConfig.cast("glgenn")
    assert (glgenn.bias, glgenn.first_order, glgenn.gates, glgenn.output_norm) == (False, False, "grade", "class")
    assert BlockConfig.from_json(glgenn.to_json()) == glgenn
    for value, message in [
        ("clgenn", "did you mean 'cgenn'"),
        ({"gate": "grade"}, "did you mean 'gates'"),
        ({"gates": "blade"}, "choose one of class, grade"),
        ({"bias": 1}, "True or False"),
        ({"normalization": "none"}, "None for no normalisation"),
    ]:
        with pytest.raises(ConfigError, match=message):
            BlockConfig.cast(value)
