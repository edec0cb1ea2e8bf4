import numpy as np

x = np.linspace(-1, 1, 9)
y = np.sin(3 * x)
a, b, c = 0.5, -0.3, 0.1
for epoch in range(3):
    p = a * x**2 + b * x + c
    r = p - y
    loss = np.sum(r**2)
    da = np.sum(2 * r * x**2)
    db = np.sum(2 * r * x)
    dc = np.sum(2 * r)
    a -= 0.01 * da
    b -= 0.01 * db
    c -= 0.01 * dc
