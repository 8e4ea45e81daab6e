"""`python -m bot`: the runner, with the shopping assistant."""

from podline.runner.__main__ import main

if __name__ == "__main__":
    main()
