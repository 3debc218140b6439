"""Matrices and grids as lists of rows."""

import math

from serve_apps.code_generation.template import template


@template("矩阵转置", "transpose matrix rows columns swap 转置 矩阵 行列 互换")
def transpose(matrix: list[list]) -> list[list]:
    """Transpose a matrix: rows become columns."""
    return [list(column) for column in zip(*matrix, strict=True)]


@template("矩阵顺时针旋转九十度", "rotate matrix image 90 degrees clockwise 旋转 矩阵 顺时针 90度")
def rotate_clockwise(matrix: list[list]) -> list[list]:
    """Rotate a matrix by 90 degrees clockwise."""
    return [list(column) for column in zip(*matrix[::-1], strict=True)]


@template("矩阵逆时针旋转九十度", "rotate matrix 90 degrees counterclockwise anticlockwise 旋转 矩阵 逆时针 90度")
def rotate_counterclockwise(matrix: list[list]) -> list[list]:
    """Rotate a matrix by 90 degrees counterclockwise."""
    return [list(column) for column in zip(*matrix, strict=True)][::-1]


@template("螺旋遍历矩阵", "spiral order traversal matrix clockwise 螺旋 顺序 矩阵 遍历")
def spiral_order(matrix: list[list]) -> list:
    """List the elements of a matrix in spiral order."""
    rows, order = [list(row) for row in matrix], []
    while rows:
        order += rows[0]
        rows = [list(column) for column in zip(*rows[1:], strict=True)][::-1]
    return order


@template("生成螺旋矩阵", "generate spiral matrix n by n filled 1 to n squared 生成 螺旋 矩阵 填充")
def spiral_matrix(size: int) -> list[list[int]]:
    """Generate a square matrix filled with 1 to n squared in spiral order."""
    rows: list[list[int]] = [[size * size]]
    while rows[0][0] > 1:
        width = len(rows)
        rotated = [list(column) for column in zip(*rows[::-1], strict=True)]
        first = rows[0][0] - width
        rows = [list(range(first, first + width)), *rotated]
    return rows if size > 1 else [[1]]


@template("主对角线之和", "main diagonal sum trace matrix 主对角线 对角线 之和 迹")
def diagonal_sum(matrix: list[list[float]]) -> float:
    """Sum the main diagonal of a matrix (trace)."""
    return sum(row[place] for place, row in enumerate(matrix))


@template("副对角线之和", "secondary anti diagonal sum matrix 副对角线 反对角线 之和")
def anti_diagonal_sum(matrix: list[list[float]]) -> float:
    """Sum the secondary diagonal of a matrix."""
    return sum(row[-1 - place] for place, row in enumerate(matrix))


@template("两条对角线之和", "both diagonals sum matrix primary secondary 两条 对角线 之和")
def both_diagonals_sum(matrix: list[list[float]]) -> float:
    """Sum both diagonals of a square matrix, the centre once."""
    size = len(matrix)
    return sum(row[i] + (row[size - 1 - i] if size - 1 - i != i else 0) for i, row in enumerate(matrix))


@template("主对角线", "main diagonal elements matrix 主对角线 元素")
def diagonal(matrix: list[list]) -> list:
    """List the main diagonal of a matrix."""
    return [row[place] for place, row in enumerate(matrix)]


@template("矩阵乘法", "matrix multiplication product multiply 矩阵 乘法 相乘")
def multiply_matrices(first: list[list[float]], second: list[list[float]]) -> list[list[float]]:
    """Multiply two matrices."""
    columns = list(zip(*second, strict=True))
    return [[sum(a * b for a, b in zip(row, column, strict=True)) for column in columns] for row in first]


@template("矩阵加法", "matrix addition add sum element-wise 矩阵 加法 相加")
def add_matrices(first: list[list[float]], second: list[list[float]]) -> list[list[float]]:
    """Add two matrices element by element."""
    return [[a + b for a, b in zip(*rows, strict=True)] for rows in zip(first, second, strict=True)]


@template("每列之和", "column sums matrix each column total 每列 列 之和 求和 矩阵")
def column_sums(matrix: list[list[float]]) -> list[float]:
    """Sum each column of a matrix."""
    return [sum(column) for column in zip(*matrix, strict=True)]


@template("取出某一列", "get column of matrix nth values 第n列 取出 列 矩阵")
def column(matrix: list[list], index: int) -> list:
    """List one column of a matrix."""
    return [row[index] for row in matrix]


@template("行列式", "determinant matrix 行列式")
def determinant(matrix: list[list[float]]) -> float:
    """Calculate the determinant of a square matrix."""
    if len(matrix) == 1:
        return matrix[0][0]
    minors = ([row[:i] + row[i + 1 :] for row in matrix[1:]] for i in range(len(matrix)))
    return sum((-1) ** i * matrix[0][i] * determinant(minor) for i, minor in enumerate(minors))


@template("判断对称矩阵", "symmetric matrix 对称 矩阵")
def is_symmetric(matrix: list[list]) -> bool:
    """Check whether a matrix is symmetric."""
    return all(list(column) == list(row) for column, row in zip(zip(*matrix, strict=True), matrix, strict=True))


@template("单位矩阵", "identity matrix 单位矩阵 对角线为1")
def identity(size: int) -> list[list[int]]:
    """Make an identity matrix."""
    return [[int(row == place) for place in range(size)] for row in range(size)]


@template("判断幻方", "magic square matrix rows columns diagonals equal 幻方 行 列 对角线 相等")
def is_magic_square(matrix: list[list[int]]) -> bool:
    """Check whether a matrix is a magic square."""
    size = range(len(matrix))
    sums = {sum(row) for row in matrix} | {sum(column) for column in zip(*matrix, strict=True)}
    sums |= {sum(matrix[i][i] for i in size), sum(matrix[i][-1 - i] for i in size)}
    return len(sums) == 1


@template("矩阵置零", "set matrix zeroes row column zero 置零 矩阵 行 列")
def set_zeroes(matrix: list[list[int]]) -> list[list[int]]:
    """Set the rows and columns of each zero of a matrix to zero."""
    columns = {place for row in matrix for place, value in enumerate(row) if value == 0}
    return [[0 if 0 in row or place in columns else value for place, value in enumerate(row)] for row in matrix]


@template("岛屿数量", "number of islands grid connected components land 岛屿 数量 连通 网格 陆地")
def count_islands(grid: list[list]) -> int:
    """Count the islands: groups of 1 that touch horizontally or vertically."""
    land = {(i, j) for i, row in enumerate(grid) for j, value in enumerate(row) if str(value) == "1"}
    islands = 0
    while land:
        islands += 1
        edge = [land.pop()]
        while edge:
            i, j = edge.pop()
            beside = {(i + 1, j), (i - 1, j), (i, j + 1), (i, j - 1)} & land
            land -= beside
            edge.extend(beside)
    return islands


@template("最大岛屿面积", "largest island area grid connected land 最大 岛屿 面积 连通 网格")
def largest_island(grid: list[list]) -> int:
    """Find the largest area of 1 that touch horizontally or vertically."""
    land = {(i, j) for i, row in enumerate(grid) for j, value in enumerate(row) if str(value) == "1"}
    largest = 0
    while land:
        edge, area = [land.pop()], 0
        while edge:
            i, j = edge.pop()
            area += 1
            beside = {(i + 1, j), (i - 1, j), (i, j + 1), (i, j - 1)} & land
            land -= beside
            edge.extend(beside)
        largest = max(largest, area)
    return largest


@template("填充连通区域", "flood fill image color connected region start 填充 连通 区域 颜色 图像")
def flood_fill(image: list[list[int]], row: int, column: int, color: int) -> list[list[int]]:
    """Recolour the connected region around a place of an image."""
    filled, old = [list(line) for line in image], image[row][column]
    edge = [(row, column)] if old != color else []
    while edge:
        i, j = edge.pop()
        if 0 <= i < len(filled) and 0 <= j < len(filled[0]) and filled[i][j] == old:
            filled[i][j] = color
            edge += [(i + 1, j), (i - 1, j), (i, j + 1), (i, j - 1)]
    return filled


@template("生命游戏的下一代", "game of life next generation cells neighbors 生命游戏 下一代 细胞")
def game_of_life(board: list[list[int]]) -> list[list[int]]:
    """Find the next generation of Conway's game of life."""

    def neighbours(row: int, column: int) -> int:
        lines = board[max(row - 1, 0) : row + 2]
        return sum(sum(line[max(column - 1, 0) : column + 2]) for line in lines) - board[row][column]

    return [
        [int(neighbours(i, j) == 3 or (cell and neighbours(i, j) == 2)) for j, cell in enumerate(row)]
        for i, row in enumerate(board)
    ]


@template("判断数独是否有效", "valid sudoku board rows columns boxes 数独 有效 九宫格")
def is_valid_sudoku(board: list[list]) -> bool:
    """Check whether the filled cells of a sudoku break no rule; empty cells are ".", 0 or ""."""
    seen: set[tuple] = set()
    for i, row in enumerate(board):
        for j, value in enumerate(row):
            places = {("row", i, value), ("column", j, value), ("box", i // 3, j // 3, value)}
            if value not in (".", 0, "") and places & seen:
                return False
            seen |= places
    return True


@template("鞍点", "saddle point minimum in row maximum in column 鞍点 行最小 列最大")
def saddle_points(matrix: list[list[float]]) -> list[tuple]:
    """List the places that are smallest in their row and largest in their column."""
    columns = list(zip(*matrix, strict=True))
    return [
        (i, j)
        for i, row in enumerate(matrix)
        for j, value in enumerate(row)
        if value == min(row) and value == max(columns[j])
    ]


@template("改变矩阵形状", "reshape matrix rows columns 重塑 形状 矩阵 改变")
def reshape(matrix: list[list], rows: int, columns: int) -> list[list]:
    """Reshape a matrix row by row; it stays as it is when the sizes do not fit."""
    flat = [value for row in matrix for value in row]
    if len(flat) != math.prod((rows, columns)):
        return matrix
    return [flat[start : start + columns] for start in range(0, len(flat), columns)]
