"""The run's log: TensorBoard event files, written and read in one place.

Writing needs only the standard library, msgspec and crc32c; reading adds numpy. Neither needs torch or the screen.
"""
