import numpy as np

rng = np.random.default_rng(21)
entradas = rng.normal(size=(10, 3))
objetivo = rng.normal(size=(10, 1))
pesos1 = rng.normal(size=(3, 4))
sesgo1 = np.zeros((1, 4))
pesos2 = rng.normal(size=(4, 1))
tasa = 0.02
for ciclo in range(3):
    suma = entradas @ pesos1 + sesgo1
    capa = 1 / (1 + np.exp(-suma))
    salida = capa @ pesos2
    costo = np.mean((salida - objetivo) ** 2)
    d_salida = 2 * (salida - objetivo) / len(objetivo)
    d_pesos2 = capa.T @ d_salida
    d_capa = d_salida @ pesos2.T
    d_suma = d_capa * capa * (1 - capa)
    d_pesos1 = entradas.T @ d_suma
    d_sesgo1 = d_suma.sum(axis=0, keepdims=True)
    pesos1 -= tasa * d_pesos1
    sesgo1 -= tasa * d_sesgo1
    pesos2 -= tasa * d_pesos2
