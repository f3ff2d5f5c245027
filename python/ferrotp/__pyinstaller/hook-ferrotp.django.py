"""Django loads an application's modules by name."""

from PyInstaller.utils.hooks import collect_submodules

hiddenimports = collect_submodules("ferrotp.django")
