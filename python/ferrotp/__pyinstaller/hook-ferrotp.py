"""Modules that are loaded by name, and files beside them: scripts of Redis, templates, the style sheet."""

from PyInstaller.utils.hooks import collect_data_files, collect_submodules

_WANT_MORE = ("adapters", "cli", "django", "flask", "mfa", "starlette", "web", "__pyinstaller")
"""What is loaded by `import` alone, and so is found where a program has it."""

datas = collect_data_files("ferrotp")
hiddenimports = collect_submodules(
    "ferrotp", filter=lambda name: not name.startswith(tuple(f"ferrotp.{n}" for n in _WANT_MORE))
)
