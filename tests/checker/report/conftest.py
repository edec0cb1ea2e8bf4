"""The browser, for what must hold in one."""

from browser import chromium

__all__ = ["chromium"]
