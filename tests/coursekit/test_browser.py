"""Finding a Chromium."""

from pathlib import Path

import pytest

from coursekit import browser, screenshots
from coursekit.project import CourseError, Project


def test_the_environment_chooses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine").touch()
    monkeypatch.setenv("CHROMIUM", str(tmp_path / "mine"))
    assert browser.find_chromium() == tmp_path / "mine"
    monkeypatch.setenv("CHROMIUM", str(tmp_path / "none"))
    with pytest.raises(CourseError, match="no such file"):
        browser.find_chromium()


def test_one_on_the_path_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    chrome = tmp_path / "google-chrome"
    chrome.touch(mode=0o755)
    assert browser.find_chromium() == chrome


def test_none_at_all_is_an_error_that_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browser, "find_chromium", lambda: None)
    with pytest.raises(CourseError, match="playwright install chromium"), browser.open_chromium():
        pass


def test_screenshots_of_a_page_that_is_not_built(tmp_path: Path) -> None:
    with pytest.raises(CourseError, match="no page book/nothing"):
        screenshots.take(Project(tmp_path), ["book/nothing"], tmp_path / "out")
    assert not (tmp_path / "out").exists()
