"""The browser for tests that need one."""

from browser import chromium

__all__ = ["chromium"]
