import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_experiment_api.app import create_app
from speech_experiment_api.artifacts import disposition
from speech_experiment_api.byte_ranges import parse_range
from speech_experiment_api.positions import format_positions, parse_positions
from speech_experiment_api.problems import Problem
from speech_experiment_api.settings import ApiSettings
from speech_experiment_schemas.stamps import read_stamps, stamp

places = st.tuples(st.sampled_from(["runs", "metrics", "artifacts", "control"]), st.integers(0, 23))


@given(st.dictionaries(places, st.integers(0, 10**15)))
def test_positions_are_read_as_they_are_written(positions: dict[tuple[str, int], int]) -> None:
    assert parse_positions(format_positions(positions)) == positions


@pytest.mark.parametrize(
    "text", ["runs", "runs:0", "nothing:0:1", "runs:0:-1", "runs:x:1", "runs:0:1:2", "runs:0:²"]
)
def test_other_positions_are_refused(text: str) -> None:
    with pytest.raises(Problem) as raised:
        parse_positions(text)
    assert raised.value.status == 400
    assert raised.value.field == "positions"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, (0, 100, False)),
        ("bytes=0-9", (0, 10, True)),
        ("bytes=90-", (90, 100, True)),
        ("bytes=90-500", (90, 100, True)),
        ("bytes=-7", (93, 100, True)),
        ("bytes=-700", (0, 100, True)),
        ("bytes=0-1,5-6", (0, 100, False)),
        ("lines=0-1", (0, 100, False)),
        ("bytes=-", (0, 100, False)),
    ],
)
def test_ranges(header: str | None, expected: tuple[int, int, bool]) -> None:
    assert tuple(parse_range(header, 100)) == expected


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=9-3", "bytes=-0"])
def test_ranges_beyond_the_content(header: str) -> None:
    with pytest.raises(Problem) as raised:
        parse_range(header, 100)
    assert raised.value.status == 416
    assert raised.value.headers["Content-Range"] == "bytes */100"


def test_content_that_could_run_in_a_browser_is_downloaded() -> None:
    assert disposition("plots/a.html", "text/html").startswith("attachment")
    assert disposition("a.svg", "image/svg+xml").startswith("attachment")
    assert disposition("ä b.png", "image/png") == "inline; filename*=UTF-8''%C3%A4%20b.png"


@given(st.text(max_size=20), st.text(min_size=1, max_size=20), st.integers(0, 10**17))
def test_stamps_are_read_as_they_are_written(actor: str, workspace: str, at: int) -> None:
    stamps = read_stamps(stamp(actor, workspace, at))
    assert (stamps.actor, stamps.workspace, stamps.received_at) == (actor, workspace, at)


def test_the_reference_describes_every_route() -> None:
    app = create_app(ApiSettings())
    document = app.state.openapi
    operations = [each for path in document["paths"].values() for each in path.values()]
    assert len(operations) == len(app.routes)
    assert len({each["operationId"] for each in operations}) == len(operations)
    assert all(each["summary"] for each in operations)
    assert document["paths"]["/api/v1/keys"]["post"]["x-role"] == "admin"
    for operation in operations:
        assert operation["security"] == ([] if operation["x-role"] == "public" else [{"key": []}])
