#!/usr/bin/env bash
# Cython 3.3.1 (3.0.12, 3.1.6 and 3.2.4 do the same); the source is
# https://github.com/cython/cython/blob/3.3.1/Cython/Compiler/ExprNodes.py (`DivNode.calculate_result_code`) and
# https://github.com/cython/cython/blob/3.3.1/Cython/Utility/CMath.c (`ModFloat`).
#
# Without the directive `cdivision`, `//` and `%` of C numbers are expected to give what Python gives, or at least to
# fit together: (a // b) * b + a % b == a is what https://github.com/cython/cython/wiki/enhancements-division asks for,
# and `divmod` of two C doubles is Python's. But `a // b` of doubles is floor(a / b): the quotient is rounded first, and
# where that makes it the next whole number, its floor is one too many. And `a % b` is fmod with the sign put right, for
# which an infinite `b` is multiplied by zero. Seen:
#   1.0 // 0.1: Python 9.0, Cython 10.0
#   1.0 % 0.1: Python 0.09999999999999995, Cython 0.09999999999999995
#   divmod(1.0, 0.1): Python (9.0, 0.09999999999999995), Cython (9.0, 0.09999999999999995)
#   slot * tick + rest: Python 1.0, Cython 1.100
#   -5.0 // inf: Python -1.0, Cython -0.0
#   5.0 % inf: Python 5.0, Cython nan
#   divmod(5.0, inf): Python (0.0, 5.0), Cython (0.0, 5.0)
#
# What follows from it: the slot `at // tick` and the rest `at % tick` of a time do not belong together; put together,
# they are here a whole tick late. The same lines give something else once their variables have a C type, and an
# infinite period gives nan. `divmod` gives both as Python does.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet cython==3.3.1 setuptools==80.9.0
cat > doubles.pyx <<'PYX'
def slot(double at, double tick): return at // tick
def rest(double at, double tick): return at % tick
def both(double at, double tick): return divmod(at, tick)
PYX
venv/bin/cythonize -q -3 -i doubles.pyx > log 2>&1 || { cat log; exit 1; }
seen=$(venv/bin/python - <<'PY'
from math import inf

from doubles import both, rest, slot

print(f"1.0 // 0.1: Python {1.0 // 0.1}, Cython {slot(1.0, 0.1)}")
print(f"1.0 % 0.1: Python {1.0 % 0.1}, Cython {rest(1.0, 0.1)}")
print(f"divmod(1.0, 0.1): Python {divmod(1.0, 0.1)}, Cython {both(1.0, 0.1)}")
whole = slot(1.0, 0.1) * 0.1 + rest(1.0, 0.1)
print(f"slot * tick + rest: Python {1.0 // 0.1 * 0.1 + 1.0 % 0.1}, Cython {whole:.3f}")
print(f"-5.0 // inf: Python {-5.0 // inf}, Cython {slot(-5.0, inf)}")
print(f"5.0 % inf: Python {5.0 % inf}, Cython {rest(5.0, inf)}")
print(f"divmod(5.0, inf): Python {divmod(5.0, inf)}, Cython {both(5.0, inf)}")
PY
)
echo "$seen"
for line in "1.0 // 0.1: Python 9.0, Cython 10.0" "1.0 % 0.1: Python 0.09999999999999995, Cython 0.09999999999999995" \
    "divmod(1.0, 0.1): Python (9.0, 0.09999999999999995), Cython (9.0, 0.09999999999999995)" \
    "-5.0 // inf: Python -1.0, Cython -0.0" "5.0 % inf: Python 5.0, Cython nan" \
    "divmod(5.0, inf): Python (0.0, 5.0), Cython (0.0, 5.0)" "slot * tick + rest: Python 1.0, Cython 1.100"; do
    grep -qxF -e "$line" <<< "$seen"
done
