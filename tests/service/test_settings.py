"""The settings: one file, the environment over it, and errors that say which line to change and into what."""

import re
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest

from repo_service.cli import main
from repo_service.operating import settings
from repo_service.operating.settings import DEFAULTS, BadSettings, Found, Settings, conflicts, read, template
from repo_service.wiring import open_service
from tests.world import World

ROOT = Path(__file__).parents[2]


def found(folder: Path, text: str, environment: Mapping[str, str] | None = None) -> Found:
    (folder / "service.toml").write_text(text)
    return read(folder / "service.toml", environment or {})


def refused(folder: Path, text: str, environment: Mapping[str, str] | None = None) -> str:
    with pytest.raises(BadSettings) as error:
        found(folder, text, environment)
    assert str(error.value).startswith(str(folder / "service.toml")) and "Nothing was written." in str(error.value)
    return str(error.value)


def test_the_file_that_key_writes_holds_every_setting_with_its_default(tmp_path: Path) -> None:
    assert found(tmp_path, template()).settings == Settings()
    awake = re.sub(r"^# (?=[a-z_]+ = )", "", template(), flags=re.MULTILINE)
    said = tomllib.loads(awake)
    assert list(said) == list(DEFAULTS)
    off = {name for name, default in DEFAULTS.items() if default is None}
    assert {**said, **dict.fromkeys(off)} == DEFAULTS
    assert found(tmp_path, awake).settings.redis == "redis://127.0.0.1:6379/0"
    assert max(map(len, template().splitlines())) <= 120


def test_the_defaults_go_together_and_so_does_each_freshness(tmp_path: Path) -> None:
    assert list(conflicts(Settings())) == []
    its = found(tmp_path, 'freshness = "strict"').settings
    assert (its.timestamp_s, its.snapshot_s, its.bin_s) == (86400, 86400, 86400)
    default = Settings()
    lives = {"timestamp_s": default.timestamp_s, "snapshot_s": default.snapshot_s, "bin_s": default.bin_s}
    assert settings.FRESHNESS["default"] == lives


def test_what_is_written_out_comes_before_freshness_and_the_environment_before_the_file(tmp_path: Path) -> None:
    text = 'freshness = "strict"\n\nbin_s = 172800\nrefresh_s = 60\n'
    it = found(tmp_path, text, {"TALLYSTICK_REFRESH_S": "30", "TALLYSTICK_POLL_S": "0.5"})
    assert (it.settings.bin_s, it.settings.timestamp_s, it.settings.refresh_s) == (172800, 86400, 30)
    origins = [it.origins[name] for name in ("freshness", "bin_s", "timestamp_s", "refresh_s", "threads")]
    assert origins == ["line 1", "line 3", 'freshness = "strict"', "TALLYSTICK_REFRESH_S", "default"]
    assert it.settings.poll_s == 0.5


def test_an_empty_variable_turns_off_what_can_be_off(tmp_path: Path) -> None:
    text = 'redis = "redis://127.0.0.1/0"\n'
    assert found(tmp_path, text, {"TALLYSTICK_REDIS": ""}).settings.redis is None
    assert "TALLYSTICK_DATABASE" in refused(tmp_path, text, {"TALLYSTICK_DATABASE": ""})


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ('\n\nlayuot = "full"\n', 3, "did you mean layout?"),
        ("zzz = 1\n", 1, "`tallystick-service settings DIR` lists them"),
        ('threads = "many"\n', 1, "threads must be int, not 'many'; for example: threads = 64"),
        ("refresh_s = 1.5", 1, "for example: refresh_s = 600"),
        ("poll_s = true", 1, "poll_s must be a number of seconds"),
        ("poll_s = nan", 1, "poll_s must be a number of seconds"),
        ('# a\nlayout = "wide"', 2, "'full' or 'compact'"),
        ('url = """\nhttps://x\n"""\n"threads" = 0\n', 1, "U+000A"),
        ('"threads" = 0\n', 1, "threads is 0; it must be at least 1"),
        ("\n[publishing]\nthreads = 3\n", 2, "publishing is no setting"),
        ("timestamp_s = 2399", 1, "at least four refreshes"),
        ("\nbin_s = 3600", 2, "at least as long as the one before"),
        ("keep_s = 3600", 1, "write at least keep_s = 262860"),
        ("lease_s = 301", 1, "nothing is published for so long"),
        ("min_interval_s = 601", 1, "wait for longer than a refresh"),
        ('redis = "localhost"', 1, 'write redis = "redis://HOST:6379/0"'),
        ('url = "registry.example"', 1, "with https://"),
        ('metrics_address = "9464"', 1, 'write metrics_address = "127.0.0.1:9464"'),
        ('database = "postgresql://u:geheim@h/d"', 1, "write postgresql+psycopg://"),
        ('database = "sqlite://"', 1, "sqlite:///journal.sqlite"),
        ('database = "mysql://u:geheim@h/d"', 1, "mysql://u:***@h/d"),
        ('public = "gs://bucket"', 1, "s3://bucket/prefix?endpoint="),
        ('public = "s3:///prefix"', 1, "is no name of a bucket"),
        ('public = "s3://bucket/p?endpiont=x"', 1, "takes ?endpoint= and ?region="),
        ('public = ""', 1, "neither a folder nor s3://"),
    ],
)
def test_an_error_names_the_line_and_what_to_write(tmp_path: Path, text: str, line: int, says: str) -> None:
    said = refused(tmp_path, text)
    assert f"line {line}: " in said and says in said
    assert "geheim" not in said


def test_a_key_is_found_by_what_toml_reads_not_by_how_a_line_looks(tmp_path: Path) -> None:
    text = 'policy = """\\\nthreads = 3"""\n# threads = 5\n"thre\\u0061ds" = 0\n'
    assert "line 4: threads is 0" in refused(tmp_path, text)


def test_settings_that_clash_are_named_with_both_places(tmp_path: Path) -> None:
    said = refused(tmp_path, "\ntimestamp_s = 7200\n", {"TALLYSTICK_REFRESH_S": "3600"})
    assert "line 2, TALLYSTICK_REFRESH_S: timestamp_s is 7200 and refresh_s 3600" in said


def test_everything_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    said = refused(tmp_path, 'layuot = "full"\nthreads = "x"\n', {"TALLYSTICK_LOG": "loud"})
    assert len(said.splitlines()) == 5


@pytest.mark.parametrize("text", ["refresh_s", "refresh_s = 1\nrefresh_s = 2", "= 3", b"url = '\xff'"])
def test_what_is_no_toml_is_refused_with_its_place(tmp_path: Path, text: str | bytes) -> None:
    (tmp_path / "service.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(BadSettings, match=r"service\.toml: .*(line [12]|byte 7|end of document)"):
        read(tmp_path / "service.toml", {})


@pytest.mark.parametrize(
    ("variable", "text", "says"),
    [
        ("TALLYSTICK_DATABSE", "x", "did you mean TALLYSTICK_DATABASE?"),
        ("TALLYSTICK_THREADS", "many", "must be int, not 'many'; for example: TALLYSTICK_THREADS=64"),
        ("TALLYSTICK_THREADS", "0", "TALLYSTICK_THREADS: threads is 0"),
        ("TALLYSTICK_LOG", "loud", "for example: TALLYSTICK_LOG=text"),
    ],
)
def test_a_variable_that_is_wrong_or_misspelled_is_named(tmp_path: Path, variable: str, text: str, says: str) -> None:
    said = refused(tmp_path, "", {variable: text})
    assert variable in said and says in said


def test_every_other_variable_of_ours_is_known(tmp_path: Path) -> None:
    known = {f"TALLYSTICK_{name}" for name in (*settings.ELSEWHERE, *(name.upper() for name in DEFAULTS))}
    for folder in ("keys", "ceremony", "client_verify", "repo_service", "tests", "docs", "benchmarks"):
        for path in (ROOT / folder).rglob("*.py"):
            if path != Path(__file__):
                assert {*re.findall(r'"(TALLYSTICK_[A-Z_]+)"', path.read_text())} <= known, path
    found(tmp_path, "", {"TALLYSTICK_FAILPOINT": "trace:x", "TALLYSTICK_HOME": "/x", "OTHER": "x"})


@pytest.mark.parametrize(
    ("package", "text", "extra"),
    [
        ("psycopg", 'database = "postgresql+psycopg://h/d"', "tallystick[postgres]"),
        ("obstore", 'public = "s3://bucket/p?endpoint=http://h:1&region=eu"', "tallystick[s3]"),
    ],
)
def test_a_setting_that_needs_an_extra_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str, text: str, extra: str
) -> None:
    pytest.importorskip(package)
    found(tmp_path, text)
    monkeypatch.setitem(sys.modules, package, None)  # as where it is not installed
    assert f"pip install '{extra}'" in refused(tmp_path, text)


def test_sqlite_with_workers_and_s3_with_sqlite_are_one_machines_choice(tmp_path: Path) -> None:
    assert found(tmp_path, 'redis = "redis://127.0.0.1:6379/0"').settings.redis


def test_the_command_prints_what_is_in_effect_and_masks_secrets(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = world.service.folder
    (folder / "service.toml").write_text('threads = 8\nredis = "redis://:geheim@127.0.0.1:6379/0"\n')
    monkeypatch.setenv("TALLYSTICK_LOG", "json")
    assert main(["settings", str(folder)]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^threads +8 +# line 1$", out, re.MULTILINE)
    assert re.search(r'^log +"json" +# TALLYSTICK_LOG$', out, re.MULTILINE)
    assert re.search(r'^redis +"redis://:\*\*\*@127.0.0.1:6379/0"', out, re.MULTILINE)
    assert re.search(r"^metrics_address +-$", out, re.MULTILINE)
    assert "geheim" not in out and len(out.splitlines()) == len(DEFAULTS)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("postgresql+psycopg://u:p/a@s@h/d", "postgresql+psycopg://u:***@h/d"),
        ("redis://:p@h:1/0", "redis://:***@h:1/0"),
        ("s3://b/p?access_key=x&region=eu&secret=y", "s3://b/p?access_key=***&region=eu&secret=***"),
        ("sqlite:///journal.sqlite", "sqlite:///journal.sqlite"),
    ],
)
def test_an_address_is_shown_without_what_is_secret(address: str, shown: str) -> None:
    assert settings.masked(address) == shown


def test_a_service_takes_its_settings_from_the_environment_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TALLYSTICK_MAX_TOKEN_DAYS", "7")
    assert open_service(world.service.folder).settings.max_token_days == 7


def test_a_secret_is_read_from_the_file_that_a_variable_names(tmp_path: Path) -> None:
    secret = tmp_path / "database"
    secret.write_text("sqlite:///elsewhere.sqlite\n")
    environment = settings.with_secrets({"TALLYSTICK_DATABASE_FILE": str(secret), "AWS_SECRET_ACCESS_KEY": "as it is"})
    assert environment == {"TALLYSTICK_DATABASE": "sqlite:///elsewhere.sqlite", "AWS_SECRET_ACCESS_KEY": "as it is"}
    assert found(tmp_path, "", environment).settings.database == "sqlite:///elsewhere.sqlite"


def test_a_secret_s_file_that_cannot_be_read_is_named_and_its_text_is_not(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "bytes").write_bytes(b"\xff")
    for text, why in (("missing", "No such file"), ("empty", "is empty"), ("bytes", "not UTF-8")):
        with pytest.raises(BadSettings, match=f"AWS_SECRET_ACCESS_KEY_FILE: .*{text}.*{why}"):
            settings.with_secrets({"AWS_SECRET_ACCESS_KEY_FILE": str(tmp_path / text)})
    with pytest.raises(BadSettings, match="TALLYSTICK_REDIS and TALLYSTICK_REDIS_FILE are both set") as both:
        settings.with_secrets({"TALLYSTICK_REDIS": "redis://:secret@h", "TALLYSTICK_REDIS_FILE": "/x"})
    assert "secret@" not in str(both.value)
